"""Hierarchical Advantage Estimation, and other estimators beside it on the same batch.

HiPER (arXiv 2602.16165). `estimate(batch, settings)` is the whole library; the rest is its types. The
package needs numpy, scipy and pydantic, and nothing of the project around it.
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
