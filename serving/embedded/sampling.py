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
    device = logits.device
    tokens, logprobs = draw(
        logits,
        torch.tensor(temperatures, dtype=torch.float32, device=device),
        torch.tensor(uniforms, dtype=torch.float64, device=device),
        greedy=0 in temperatures,
    )
    return tokens.tolist(), logprobs.tolist()


def draw(
    logits: torch.Tensor, temperatures: torch.Tensor, uniforms: torch.Tensor, greedy: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """`sample` on the device of the logits, without waiting for it.

    Args:
        logits: [row, word].
        temperatures: [row] float32.
        uniforms: [row] float64.
        greedy: Whether a temperature may be 0.

    Returns:
        [row] tokens and [row] log-probabilities.
    """
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    scale = torch.where(temperatures == 0, 1.0, temperatures)
    logprobs = (exact / scale[:, None]).log_softmax(-1)
    tokens = _invert(logprobs, uniforms)
    if greedy:
        tokens = torch.where(temperatures == 0, logprobs.argmax(-1), tokens)
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]


def _invert(logprobs: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    # In float64: a float32 sum over 50,000 words would lose the rare ones.
    cumulative = logprobs.exp().cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    # Rounding must not put the target at the very end, beyond all words that have a probability.
    below = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below, right=True)[:, 0].clamp_(max=logprobs.shape[-1] - 1)
