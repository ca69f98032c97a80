"""Initialises attention heads that look back at the preceding tokens from the first training step on.

Copying a name from the transcript takes two heads in a row: one that tells each token what came before it,
and one that looks for a token with the right predecessor (induction heads, Olsson et al. 2022,
arXiv:2209.11895). A model left to itself finds the pair late; if it is given the first head, it learns the
second within a few hundred steps.
"""

from __future__ import annotations

from typing import cast

import torch
from transformers import LlamaForCausalLM

DISTANCES = (1, 2, 3, 6)
"""Distance in tokens that each head looks back; 6 is the distance from the object to its place in `On the
desk 1, you see a mug 1.`"""
_CONSTANT = 0.08
"""Value of the first dimension of every embedding; the others have a standard deviation of 0.02."""
_NORMALIZED = 3.8
"""Approximate value of that dimension after the layer's norm, the same for every token."""
_FREQUENCIES = 6
"""Number of a head's fastest rotations to use; slower ones hardly distinguish neighbouring tokens."""
_SHARPNESS = 6.0
"""Length of a query: the attention weight at the right distance is about e^4 times that of the neighbours."""


@torch.no_grad()
def look_back(model: LlamaForCausalLM, heads: int) -> None:
    """Makes the first heads of the first layer each look back by one of the `DISTANCES`.

    Rotary embeddings rotate queries and keys by their positions. The key of a head is rotated by the head's
    distance beforehand, so that it matches a query whose position is larger by that distance.
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
