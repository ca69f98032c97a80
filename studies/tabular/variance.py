"""The second claim: the variance is below flat GAE's. By how much, and when not?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from hae import EstimatorSettings, KeepPenalty, estimate
from hae.arrays import Floats
from studies.tabular.critics import SingleHeadCritic, TableCritic, disturbed
from studies.tabular.exact import Gradient, exact_gradient, exact_values
from studies.tabular.sampling import EpisodeGradients, episode_gradients, sample, turn_batch
from studies.tabular.statistics import Ratio, Resampling, ratio
from studies.tabular.task import errands, half_trained, policies_of

ADAPTERS = {"planner": ("subgoal", "decision"), "executor": ("action",)}
FLAT_LAMBDAS = (1.0, 0.95, 0.8, 0.0)
HIPER = "HiPER's"
SAME = "the same"
BATCH = 128
"""Episodes in the batch whose squared error is reported."""
SAMPLES = 1000
TURNS_AN_ERRAND = 6


@dataclass(frozen=True)
class Point:
    """Where the estimators are compared."""

    study: str
    """`horizon`, `segment length` or `value error`: what is varied."""
    horizon: int
    segment_length: float
    value_error: float = 0.0
    """In standard deviations of V_high."""


POINTS = (
    *(Point("horizon", horizon, 5.0) for horizon in (6, 12, 24, 48, 96)),
    *(Point("segment length", 48, length) for length in (1.5, 3.0, 5.0, 10.0, 20.0, 1000.0)),
    *(Point("value error", 48, 5.0, error) for error in (0.0, 0.1, 0.3, 1.0)),
)


@dataclass(frozen=True)
class Outcome:
    """HAE over flat GAE, at equal episodes; below 1, HAE is better."""

    point: Point
    success_rate: float
    mean_turns: float
    hae_lambdas: str
    """`HiPER's`, 1 in a segment and 0.95 between segments, or `the same` as flat GAE's in both places."""
    flat_lambda: float
    adapter: str
    variance: Ratio
    """Of the traces of the covariance of an episode's gradient."""
    squared_error: Ratio
    """Of the expected squared error of a batch's mean gradient, bias included."""


def _settings(estimator: str, lambda_turn: float, lambda_segment: float) -> EstimatorSettings:
    return EstimatorSettings.model_validate(
        {
            "estimator": estimator,
            "lambda_turn": lambda_turn,
            "lambda_segment": lambda_segment,
            "keep_penalty": KeepPenalty(mode="none"),
            "invalid_action_penalty": 0.0,
            "normalize": False,
        }
    )


def _of_adapter(gradients: EpisodeGradients | Gradient, adapter: str, rows: int) -> Floats:
    """[rows, parameters of the adapter]."""
    levels = [getattr(gradients, level).reshape(rows, -1) for level in ADAPTERS[adapter]]
    return np.concatenate(levels, axis=1)


def compare(point: Point, episodes: int, seed: int) -> Iterator[Outcome]:
    """Every flat lambda and both adapters, on the same episodes."""
    task = errands(4, max(1, point.horizon // TURNS_AN_ERRAND), point.horizon)
    policies = policies_of(*half_trained(task, point.segment_length, seed))
    values = exact_values(task, policies, 1.0, 0.0)
    values = disturbed(values, point.value_error, ("low", "high", "switch"), seed)
    exact = exact_gradient(task, policies, 1.0, 0.0)
    rng = np.random.default_rng([seed, POINTS.index(point)])
    rollouts = sample(task, policies, episodes, rng)
    resampling = Resampling(episodes, SAMPLES, rng)

    def measured(critic: TableCritic, settings: EstimatorSettings) -> dict[str, tuple[Floats, Floats]]:
        advantages = estimate(turn_batch(rollouts, critic), settings)
        gradients = episode_gradients(task, policies, rollouts, advantages)
        found = {}
        for adapter in ADAPTERS:
            sampled = _of_adapter(gradients, adapter, episodes)
            target = _of_adapter(exact, adapter, 1)[0]
            found[adapter] = resampling.variance(sampled), resampling.squared_error(sampled, target, BATCH)
        return found

    hiper = measured(TableCritic(values), _settings("hae", 1.0, 0.95))
    for flat_lambda in FLAT_LAMBDAS:
        flat = measured(SingleHeadCritic(values), _settings("gae", flat_lambda, 0.0))
        same = measured(TableCritic(values), _settings("hae", flat_lambda, flat_lambda))
        for (lambdas, hierarchical), adapter in product(((HIPER, hiper), (SAME, same)), ADAPTERS):
            pairs = zip(hierarchical[adapter], flat[adapter], strict=True)
            variance, squared_error = (ratio(over, under) for over, under in pairs)
            yield Outcome(
                point=point,
                success_rate=float(rollouts.success.mean()),
                mean_turns=float(np.diff(rollouts.offsets).mean()),
                hae_lambdas=lambdas,
                flat_lambda=flat_lambda,
                adapter=adapter,
                variance=variance,
                squared_error=squared_error,
            )
