"""Attention heads that look at the tokens just before from the first step on.

Copying a name from the transcript takes two heads in a row: one that tells each token what stood before it,
and one that looks for a token with the right thing before it (induction heads, Olsson et al. 2022,
arXiv:2209.11895). Left to itself a model finds the pair late; given the first of the two, it learns the
second within a few hundred steps.
"""

from __future__ import annotations

from typing import cast

import torch
from transformers import LlamaForCausalLM

DISTANCES = (1, 2, 3, 6)
"""Of the heads, in tokens: 6 from the first object back to its place in `On the desk 1, you see a mug 1.`"""
_CONSTANT = 0.08
"""In the first dimension of every embedding, beside a standard deviation of 0.02 in the others."""
_NORMALIZED = 3.8
"""What the layer's norm makes of it, about, whatever the token."""
_FREQUENCIES = 6
"""The fastest rotations of a head; slower ones hardly tell neighbours apart."""
_SHARPNESS = 6.0
"""Of a query; its product with the key of the right distance is e^4 times that of the neighbours' keys."""


@torch.no_grad()
def look_back(model: LlamaForCausalLM, heads: int) -> None:
    """The first heads of the first layer each look back by one of the `DISTANCES`.

    Rotary embeddings turn a query by its position. The key of a head is turned by the head's distance
    beforehand, so that query and key agree where the positions differ by that.
    """
    if not heads:
        return
    model.model.embed_tokens.weight[:, 0] = _CONSTANT
    attention = model.model.layers[0].self_attn
    size = attention.head_dim
    base = cast(dict[str, float], model.config.rope_parameters)["rope_theta"]
    frequencies = base ** (-torch.arange(min(_FREQUENCIES, size // 2)) / (size // 2))
    weight = _SHARPNESS / _NORMALIZED
    for head, distance in enumerate(DISTANCES[:heads]):
        rows = slice(head * size, (head + 1) * size)
        query, key = attention.q_proj.weight[rows], attention.k_proj.weight[rows]
        query.zero_()
        key.zero_()
        turned = frequencies * distance
        first = slice(0, len(frequencies))
        second = slice(size // 2, size // 2 + len(frequencies))
        query[first, 0] = weight
        key[first, 0], key[second, 0] = weight * turned.cos(), weight * turned.sin()
