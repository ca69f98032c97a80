"""The value after an episode's last turn: it replaces the rewards that a truncated episode did not get."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hae.arrays import Floats, Ints
from hae.batch import BatchError, TurnBatch
from hae.settings import EstimatorSettings


def required(batch: TurnBatch, name: str, estimator: str) -> npt.NDArray[Any]:
    """The field `name` of the batch; raises `BatchError` if it is None."""
    value: npt.NDArray[Any] | None = getattr(batch, name)
    if value is None:
        raise BatchError(f"{estimator} needs {name}, which the batch does not have")
    return value


def bootstrap_values(
    batch: TurnBatch, settings: EstimatorSettings, value: Floats, last: Ints, final: str
) -> Floats:
    """The value after each episode's last turn.

    Args:
        batch: The E episodes.
        settings: Settings whose `bootstrap` selects the mode.
        value: [T] values of the level.
        last: [E] turn at which mode `last` reads `value`.
        final: Name of the batch's field that mode `final` reads.

    Returns:
        [E] 0 for terminated episodes; for truncated ones 0 (`none`), `value[last]` (`last`), or the final
        value (`final`).

    Raises:
        BatchError: the mode is `final`, an episode is truncated, and the batch lacks that field.
    """
    if settings.bootstrap == "none" or batch.terminated.all():
        return np.zeros(batch.episodes)
    if settings.bootstrap == "last":
        after = value[last]
    else:
        after = required(batch, final, "bootstrap 'final' after a truncated episode")
    return np.where(batch.terminated, 0.0, after)
