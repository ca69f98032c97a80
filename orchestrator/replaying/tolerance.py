"""How far log-probabilities may differ because of the number format alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch

from configuration.servers import ModelServerSettings

_NATS: dict[torch.dtype, float] = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.5}
"""Largest difference of a log-probability by number format, in nats.

Other requests in the batch change the order in which numbers are added. docs/replay_and_export.md has the
differences that were measured: about a seventh of these in float32, half in bfloat16.
"""
_TIE = 0.2
"""Part of that difference within which a token counts as a near tie. Tokens are sampled by the sum of many
probabilities, which changes less than the logarithm of a small one."""
_OF_FLOAT32 = 2.0**-24
"""Relative error of a number that is stored in float32, as log-probabilities are."""


@dataclass(frozen=True)
class Tolerance:
    """Differences that a number format explains."""

    nats: float
    """Largest difference of a log-probability, in nats."""

    @classmethod
    def of(cls, dtype: torch.dtype, temperature: float) -> Self:
        """The tolerance of a number format.

        A temperature below 1 multiplies the error of the logits, which are divided by it.
        """
        return cls(_NATS[dtype] / min(1.0, temperature or 1.0))

    @property
    def tie(self) -> float:
        """Largest margin of a near tie, in nats."""
        return _TIE * self.nats

    def covers(self, stored: float, replayed: float) -> bool:
        """Whether it explains the difference of two log-probabilities, the first rounded to float32."""
        return abs(stored - replayed) <= self.nats + _OF_FLOAT32 * abs(replayed)


def remarks(settings: ModelServerSettings, dtype: torch.dtype, tolerance: Tolerance) -> Iterator[str]:
    """What may make a replay differ from an episode although nothing is wrong, in lines for people."""
    format = str(dtype).removeprefix("torch.")
    if dtype is not torch.float64:
        yield (
            f"computed in {format}, in which other requests in the batch change log-probabilities slightly. "
            f"Differences up to {tolerance.nats:.1g} nats are accepted; where {tolerance.tie:.1g} nats "
            "decide between two tokens, there is a near tie"
        )
    if settings.dtype == "auto":
        yield (
            f"dtype = auto is {format} on this machine. If the run was played in another number format, "
            "--planner.dtype and --executor.dtype choose it"
        )
    if settings.engine == "vllm":
        yield "played with vLLM, replayed with the embedded engine, which rounds differently"
