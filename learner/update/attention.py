"""Attention along the paths of a pack's prefix tree, as an attention implementation of transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from learner.update.packing import Branch, Pack

NAME = "hiper_prefix_tree"


def prefix_tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    pack: Pack,
    bias: Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Each row attends to its path.

    Without `bias` each branch is computed by itself, and what a mask over the pack would hide is not. With it
    one call takes the whole pack: on a GPU, starting the kernels of many small branches would take longer.

    Args:
        module: The attention layer; its dropout must be off.
        query: [1, heads, N, head size], N the rows of `pack`.
        key: [1, key heads, N, head size]; key heads divides heads.
        value: As `key`.
        attention_mask: Not used; the pack says what attends to what.
        pack: Passed through the model's forward under this name.
        bias: Likewise; `pack.bias` in the query's format, or None.
        scaling: Of the products, 1 / sqrt(head size) in most models.

    Returns:
        [1, N, heads, head size], and no attention weights.
    """
    query = query * scaling
    if bias is not None:
        return _masked_attention(query, key, value, bias).transpose(1, 2), None
    outputs = [
        _branch_attention(
            query[:, :, branch.begin : branch.end], key[:, :, branch.path], value[:, :, branch.path], branch
        )
        for branch in pack.branches
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _masked_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """[1, heads, N, head size], in one call for all branches."""
    # torch's memory-efficient kernel, the one that takes a mask, wants a key for each head.
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)


def _branch_attention(query: Tensor, key: Tensor, value: Tensor, branch: Branch) -> Tensor:
    """[1, heads, n, head size] of the branch's n own rows."""
    if query.dtype is torch.float32:
        return scaled_dot_product_attention(
            query, key, value, attn_mask=branch.bias, scale=1.0, enable_gqa=True
        )
    return _written_out(query, key, value, branch.hidden)


def _written_out(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor) -> Tensor:
    """In bfloat16, at these sizes, torch's fused CPU kernel takes 5 times as long, backward included.

    The query heads of a key head are put into one matrix instead of repeating the key.
    """
    batch, heads, rows, size = query.shape
    key_heads, groups = key.shape[1], heads // key.shape[1]
    scores = query.reshape(batch, key_heads, groups * rows, size) @ key.transpose(2, 3)
    scores = scores.view(batch, key_heads, groups, rows, -1).masked_fill(hidden, float("-inf"))
    weights = scores.softmax(-1).view(batch, key_heads, groups * rows, -1)
    return (weights @ value).view(batch, heads, rows, size)


AttentionInterface.register(NAME, prefix_tree_attention)
