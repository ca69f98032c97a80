"""Hierarchical Advantage Estimation (HiPER, arXiv 2602.16165), and other estimators for the same batches.

`estimate(batch, settings)` is the whole library; the other names are its types and the single estimators.
The package needs numpy, scipy and pydantic, and imports nothing else of this project.
"""

from hae.advantages import hae_advantages
from hae.batch import BatchError, Episode, TurnBatch
from hae.dgae import dgae_advantages
from hae.estimate import estimate
from hae.gae import gae_advantages
from hae.gigpo import gigpo_advantages
from hae.grpo import grpo_advantages
from hae.result import Advantages
from hae.settings import EstimatorSettings, KeepPenalty, Normalize
from hae.shaping import shaped_rewards

__all__ = [
    "Advantages",
    "BatchError",
    "Episode",
    "EstimatorSettings",
    "KeepPenalty",
    "Normalize",
    "TurnBatch",
    "dgae_advantages",
    "estimate",
    "gae_advantages",
    "gigpo_advantages",
    "grpo_advantages",
    "hae_advantages",
    "shaped_rewards",
]
