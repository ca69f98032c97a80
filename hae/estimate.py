"""The estimators by name."""

from __future__ import annotations

from collections.abc import Callable

from hae.advantages import hae_advantages
from hae.batch import TurnBatch
from hae.dgae import dgae_advantages
from hae.gae import gae_advantages
from hae.gigpo import gigpo_advantages
from hae.grpo import grpo_advantages
from hae.result import Advantages
from hae.settings import EstimatorSettings

ESTIMATORS: dict[str, Callable[[TurnBatch, EstimatorSettings], Advantages]] = {
    "hae": hae_advantages,
    "gae": gae_advantages,
    "dgae": dgae_advantages,
    "grpo": grpo_advantages,
    "gigpo": gigpo_advantages,
}


def estimate(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """The advantages and value targets of `batch` by the estimator that `settings` names.

    Raises:
        BatchError: the batch lacks what that estimator needs.
    """
    return ESTIMATORS[settings.estimator](batch, settings)
