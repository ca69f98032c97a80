"""Attention within a pack's prefix tree, registered as an attention implementation of transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from learner.update.packing import Branch, Pack
from serving.suffix_attention import suffix_attention

NAME = "hiper_prefix_tree"
_BLOCK = 128
"""Number of rows whose products are computed together in bfloat16."""


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
    """Lets each row attend to its path from the root of the tree.

    Without `bias`, each branch is computed separately, and no products are computed that a mask would hide.
    With `bias`, a single call computes the whole pack: on a GPU, launching kernels for many small branches
    takes longer than the products that are wasted.

    Args:
        module: Attention layer, with its dropout off.
        query: [1, heads, N, head size], with N the number of rows of `pack`.
        key: [1, key heads, N, head size]; the number of key heads divides that of heads.
        value: [1, key heads, N, head size].
        attention_mask: Not used; the pack determines what each row attends to.
        pack: The pack, which the caller passes to the model's forward under this name.
        bias: `pack.bias` in the query's number format, or None; passed like `pack`.
        scaling: Factor of the products, 1 / sqrt(head size) in most models.

    Returns:
        The outputs [1, N, heads, head size], and None instead of attention weights.
    """
    # Once here, so that all ways of computing below take products as they are.
    query = query * scaling
    if bias is not None:
        return _masked_attention(query, key, value, bias).transpose(1, 2), None
    outputs = [
        _branch_attention(
            query[:, :, branch.begin : branch.end], key[:, :, branch.path], value[:, :, branch.path], branch
        )
        for branch in pack.branches
    ]
    # The branches cover the rows of the pack in order, each row once.
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _masked_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """[1, heads, N, head size] outputs of all branches in one call."""
    # torch's memory-efficient kernel, the only fast one that takes a mask, needs as many keys as heads.
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)


def _branch_attention(query: Tensor, key: Tensor, value: Tensor, branch: Branch) -> Tensor:
    """[1, heads, n, head size] outputs of the branch's n own rows."""
    if query.dtype is torch.float32:
        return scaled_dot_product_attention(
            query, key, value, attn_mask=branch.bias, scale=1.0, enable_gqa=True
        )
    batch, heads, rows, size = query.shape
    grouped = query.reshape(key.shape[1], -1, rows, size)
    return suffix_attention(grouped, key[0], value[0], _BLOCK).view(batch, heads, rows, size)


AttentionInterface.register(NAME, prefix_tree_attention)
