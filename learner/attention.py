"""Attention along the paths of a pack's prefix tree, as an attention implementation of transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from learner.packing import Branch, Pack

NAME = "hiper_prefix_tree"


def prefix_tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    pack: Pack,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Each branch's rows attend to their path only; what a mask over the pack would hide is not computed.

    Args:
        module: The attention layer; its dropout must be off.
        query: [1, heads, N, head size], N the rows of `pack`.
        key: [1, key heads, N, head size]; key heads divides heads.
        value: As `key`.
        attention_mask: Not used; the pack says what attends to what.
        pack: Passed through the model's forward under this name.
        scaling: Of the products, 1 / sqrt(head size) in most models.

    Returns:
        [1, N, heads, head size], and no attention weights.
    """
    query = query * scaling
    outputs = [
        _branch_attention(
            query[:, :, branch.begin : branch.end], key[:, :, branch.path], value[:, :, branch.path], branch
        )
        for branch in pack.branches
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _branch_attention(query: Tensor, key: Tensor, value: Tensor, branch: Branch) -> Tensor:
    """[1, heads, n, head size] of the branch's n own rows."""
    if query.dtype is torch.float32 and query.device.type == "cpu":
        return scaled_dot_product_attention(
            query, key, value, attn_mask=branch.bias, scale=1.0, enable_gqa=True
        )
    return _written_out(query, key, value, branch.hidden)


def _written_out(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor) -> Tensor:
    """In bfloat16, at these sizes, torch's fused CPU kernel takes 5 times as long, backward included.

    On a GPU, fused kernels have not been tried here. The query heads of a key head are put into one matrix
    instead of repeating the key.
    """
    batch, heads, rows, size = query.shape
    key_heads, groups = key.shape[1], heads // key.shape[1]
    scores = query.reshape(batch, key_heads, groups * rows, size) @ key.transpose(2, 3)
    scores = scores.view(batch, key_heads, groups, rows, -1).masked_fill(hidden, float("-inf"))
    weights = scores.softmax(-1).view(batch, key_heads, groups * rows, -1)
    return (weights @ value).view(batch, heads, rows, size)


AttentionInterface.register(NAME, prefix_tree_attention)
