"""Computes stored answers again: their log-probabilities, and which tokens the same seed samples now."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from configuration.servers import ModelServerSettings
from core.errors import InvalidInputError
from serving.embedded.runner import ModelRunner
from serving.embedded.sampling import sample
from serving.engine import LoadedAdapter
from serving.model import ModelFolder, compute_device, compute_dtype
from trajectory.episode import Generation


@dataclass(frozen=True)
class Scored:
    """A stored answer, computed again."""

    logprobs: tuple[float, ...]
    """Natural log-probability of each stored token, under the distribution it was drawn from."""
    sampled: tuple[int, ...]
    """Token that is sampled at each position now, after the stored tokens before it."""
    margins: tuple[float, ...]
    """Change of the log-probabilities at each position, in nats, that would make the stored token the sampled
    one; at least, and 0 where it is."""

    def __add__(self, other: Scored) -> Scored:
        """Both, one after the other."""
        return Scored(
            self.logprobs + other.logprobs, self.sampled + other.sampled, self.margins + other.margins
        )


class Scorer:
    """One role's model, run by the embedded engine's code on one answer at a time.

    The stored tokens are given rather than sampled, so that a token that is sampled otherwise changes nothing
    after it.
    """

    def __init__(self, model: ModelFolder, settings: ModelServerSettings) -> None:
        """Loads the model; raises `InvalidInputError` if the embedded engine cannot run it."""
        self.dtype = compute_dtype(settings.dtype)
        self._context_length = settings.context_length
        length = settings.context_length
        self._runner = ModelRunner(model.path, self.dtype, compute_device(), 1, length, kept_tokens=length)
        self._adapter: LoadedAdapter | None = None

    def score(self, stored: Generation, adapter: LoadedAdapter | None, seed: int) -> Scored:
        """Computes the stored answer to the stored prompt.

        Args:
            stored: Answer with at least one token.
            adapter: Adapter that answered; None for the base model alone.
            seed: Seed of the answer's random numbers.

        Raises:
            InvalidInputError: prompt and answer are longer than the context.
        """
        if (total := len(stored.prompt_ids) + len(stored.token_ids)) > self._context_length:
            raise InvalidInputError(
                f"prompt and answer have {total} tokens; the context length is {self._context_length}"
            )
        self._use(adapter)
        logits = self._runner.score(stored.prompt_ids, stored.token_ids)
        stream = random.Random(seed)
        return scored(logits, stored.token_ids, stored.temperature, [stream.random() for _ in logits])

    def _use(self, adapter: LoadedAdapter | None) -> None:
        if adapter == self._adapter:
            return
        folder = adapter.folder if adapter else None
        weights = self._runner.weights
        weights.use(weights.stage(folder), folder)
        self._runner.forget()
        self._adapter = adapter


def scored(
    logits: torch.Tensor, token_ids: tuple[int, ...], temperature: float, uniforms: list[float]
) -> Scored:
    """Compares given tokens with what the engine samples from the same logits.

    Args:
        logits: [token, word] from which each token was sampled.
        token_ids: The given tokens.
        temperature: Sampling temperature; 0 takes the most likely token.
        uniforms: Random number in [0, 1) for each token.
    """
    sampled, _ = sample(logits, [temperature] * len(token_ids), uniforms)
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logprobs = (exact / torch.tensor(temperature or 1.0, device=logits.device)).log_softmax(-1)
    chosen = torch.tensor(token_ids, device=logits.device)[:, None]
    given = logprobs.gather(1, chosen)
    if temperature == 0:
        # Both log-probabilities may move, towards each other.
        margins = (logprobs.max(-1, keepdim=True).values - given) / 2
    else:
        margins = _outside(logprobs, chosen, uniforms)
    return Scored(tuple(given[:, 0].tolist()), tuple(sampled), tuple(margins[:, 0].tolist()))


def _outside(logprobs: torch.Tensor, chosen: torch.Tensor, uniforms: list[float]) -> torch.Tensor:
    """[token, 1] distance of each random number from the part of [0, 1] that belongs to the given token.

    If no log-probability changes by more than d, no cumulative probability changes by more than exp(d) - 1.
    """
    cumulative = logprobs.exp().cumsum(-1, dtype=torch.float64)
    cumulative /= cumulative[:, -1:].clone()
    above = cumulative.gather(1, chosen)
    below = (chosen > 0) * cumulative.gather(1, (chosen - 1).clamp(min=0))
    drawn = torch.tensor(uniforms, dtype=torch.float64, device=logprobs.device)[:, None]
    return torch.maximum(below - drawn, drawn - above).clamp(min=0).log1p()
