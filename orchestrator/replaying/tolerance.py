"""How far log-probabilities may differ because of the number format alone."""

from __future__ import annotations

import torch

from configuration.servers import ModelServerSettings

TOLERANCES: dict[torch.dtype, float] = {
    torch.float64: 1e-9,
    torch.float32: 1e-3,
    torch.bfloat16: 0.5,
}
"""Nats by number format. Other requests in the batch change the order in which numbers are added.

docs/replay_and_export.md has the differences that were measured; these are several times larger.
"""

_OF_FLOAT32 = 2.0**-24
"""Relative error of a number that is stored in float32, as log-probabilities are."""


def tolerance(dtype: torch.dtype, temperature: float) -> float:
    """Largest difference of a log-probability, in nats, that `dtype` explains.

    Below a temperature of 1, logits are divided by it, and so is their error multiplied.
    """
    return TOLERANCES[dtype] / min(1.0, temperature or 1.0)


def agree(stored: float, replayed: float, within: float) -> bool:
    """Whether two log-probabilities, the first of them rounded to float32, differ by at most `within`."""
    return abs(stored - replayed) <= within + _OF_FLOAT32 * abs(replayed)


def remarks(name: str, settings: ModelServerSettings, dtype: torch.dtype) -> list[str]:
    """What may make this replay differ from the episode although nothing is wrong, in lines for people."""
    format = str(dtype).removeprefix("torch.")
    lines = []
    if dtype is not torch.float64:
        lines.append(
            f"{name}: {format}. What else was in the batch changes log-probabilities slightly: up to "
            f"{TOLERANCES[dtype]:g} nats are accepted. A token whose random number lies as close to another "
            f"token may have been sampled otherwise: a near tie. {name}.dtype = float64 excludes both"
        )
    if settings.dtype == "auto":
        lines.append(
            f"{name}.dtype = auto is {format} on this machine. If the run was played in another format, "
            f"--{name}.dtype gives it"
        )
    if settings.engine == "vllm":
        lines.append(f"{name}: played with vLLM, replayed with the embedded engine, which rounds differently")
    return lines
