"""The value that stands for what a truncated episode did not live to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hae.arrays import Floats, Ints
from hae.batch import BatchError, TurnBatch
from hae.settings import EstimatorSettings


def required(batch: TurnBatch, name: str, estimator: str) -> npt.NDArray[Any]:
    """The batch's field of that name; `BatchError` where it is None."""
    value: npt.NDArray[Any] | None = getattr(batch, name)
    if value is None:
        raise BatchError(f"{estimator} needs {name}, which the batch does not hold")
    return value


def bootstrap_values(
    batch: TurnBatch, settings: EstimatorSettings, value: Floats, last: Ints, final: str
) -> Floats:
    """The value after each episode's last turn.

    Args:
        batch: E episodes.
        settings: their `bootstrap` chooses the mode.
        value: [T] the level's value function.
        last: [E] the turn that mode `last` reads it at.
        final: the batch's field that mode `final` reads instead.

    Returns:
        [E] 0 after termination; after truncation 0, `value[last]` or the final value.
    """
    if settings.bootstrap == "none" or batch.terminated.all():
        return np.zeros(batch.episodes)
    if settings.bootstrap == "last":
        after = value[last]
    else:
        after = required(batch, final, "bootstrap 'final' after a truncated episode")
    return np.where(batch.terminated, 0.0, after)
