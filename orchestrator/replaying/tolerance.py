"""How far log-probabilities may differ because of the number format alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from configuration.servers import ModelServerSettings

TOLERANCES: dict[torch.dtype, float] = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
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


def remarks(models: Mapping[str, tuple[ModelServerSettings, torch.dtype]]) -> list[str]:
    """What may make a replay differ from an episode although nothing is wrong, in lines for people.

    `models` has the settings of each role, and the number format that it is replayed in.
    """
    roles: dict[str, list[str]] = {}
    for role, (settings, dtype) in models.items():
        for remark in _remarks(settings, dtype):
            roles.setdefault(remark, []).append(role)
    return [f"{' and '.join(names)}: {remark}" for remark, names in roles.items()]


def _remarks(settings: ModelServerSettings, dtype: torch.dtype) -> Iterator[str]:
    format = str(dtype).removeprefix("torch.")
    if dtype is not torch.float64:
        yield (
            f"computed in {format}, in which other requests in the batch change log-probabilities slightly. "
            f"Differences up to {TOLERANCES[dtype]:g} nats are accepted. A token that such a difference would "
            "change is called a near tie"
        )
    if settings.dtype == "auto":
        yield (
            f"dtype = auto is {format} on this machine. If the run was played in another number format, "
            "--planner.dtype and --executor.dtype choose it"
        )
    if settings.engine == "vllm":
        yield "played with vLLM, replayed with the embedded engine, which rounds differently"
