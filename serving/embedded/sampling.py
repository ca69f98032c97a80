"""Samples the next tokens, each sequence with its own random stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def sample(
    logits: torch.Tensor, temperatures: Sequence[float], uniforms: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Samples a token for each row by inverting the cumulative distribution.

    Args:
        logits: [row, word] of any floating type.
        temperatures: Temperature of each row; 0 takes the most likely token.
        uniforms: Random number in [0, 1) for each row.

    Returns:
        The tokens, and the natural logarithm of each token's probability under the distribution it was drawn
        from, computed in float32 at least; at temperature 0 that of temperature 1.
    """
    scale = torch.tensor([t or 1.0 for t in temperatures], device=logits.device)
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logprobs = (exact / scale[:, None]).log_softmax(-1)
    tokens = _invert(logprobs, uniforms)
    greedy = torch.tensor([t == 0 for t in temperatures], device=logits.device)
    if greedy.any():
        tokens = torch.where(greedy, logprobs.argmax(-1), tokens)
    chosen = logprobs.gather(1, tokens[:, None])[:, 0]
    return tokens.tolist(), chosen.tolist()


def _invert(logprobs: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    # In float64: a float32 sum over 50,000 words would lose the rare ones.
    cumulative = logprobs.exp().cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    target = torch.tensor(uniforms, dtype=torch.float64, device=logprobs.device)[:, None] * total
    # Rounding must not put the target at the very end, beyond all words that have a probability.
    below = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below, right=True)[:, 0].clamp_(max=logprobs.shape[-1] - 1)
