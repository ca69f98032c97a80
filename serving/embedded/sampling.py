"""Drawing the next tokens, each sequence from its own random stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def sample(
    logits: torch.Tensor, temperatures: Sequence[float], uniforms: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Draws one token a row by inverting the cumulative distribution.

    Args:
        logits: [row, word], any floating type.
        temperatures: One a row; 0 takes the most likely token.
        uniforms: One number in [0, 1) a row, from the row's own stream.

    Returns:
        Tokens, and the natural logarithm of each one's probability under the distribution it was drawn
        from, in float32; at temperature 0 under that of temperature 1.
    """
    scale = torch.tensor([t or 1.0 for t in temperatures], device=logits.device)
    logprobs = (logits.float() / scale[:, None]).log_softmax(-1)
    tokens = _invert(logprobs, uniforms)
    greedy = torch.tensor([t == 0 for t in temperatures], device=logits.device)
    if greedy.any():
        tokens = torch.where(greedy, logprobs.argmax(-1), tokens)
    chosen = logprobs.gather(1, tokens[:, None])[:, 0]
    return tokens.tolist(), chosen.tolist()


def _invert(logprobs: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    # In float32 the cumulative sum of 50,000 words would lose the rare ones.
    cumulative = logprobs.exp().cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    target = torch.tensor(uniforms, dtype=torch.float64, device=logprobs.device)[:, None] * total
    below = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below, right=True)[:, 0].clamp_(max=logprobs.shape[-1] - 1)
