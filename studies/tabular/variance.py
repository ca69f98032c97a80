"""Tests the second claim: that the error of the mean gradient is below that of flat GAE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hae import EstimatorSettings, KeepPenalty, estimate
from hae.arrays import Floats
from studies.tabular.critics import SingleHeadCritic, TableCritic, disturbed
from studies.tabular.exact import Gradient, exact_gradient, exact_values
from studies.tabular.sampling import GROUP, GroupGradients, group_gradients, sample, turn_batch
from studies.tabular.statistics import Interval, Resampling, interval
from studies.tabular.task import errands, half_trained, policies_of

ADAPTERS = {"planner": ("subgoal", "decision"), "executor": ("action",)}
BATCH = 128
"""Number of episodes in a batch, whose mean gradient is compared."""
SAMPLES = 1000
TURNS_PER_ERRAND = 6


@dataclass(frozen=True)
class Contender:
    """An estimator with its settings and its critic."""

    name: str
    estimator: str
    lambdas: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ from the defaults."""
    scale: float = 1.0
    """Factor that its advantages are multiplied by."""

    @property
    def critic(self) -> type[TableCritic]:
        """Class of the critic: one value per turn for flat GAE, three for the others."""
        return SingleHeadCritic if self.estimator == "gae" else TableCritic

    def settings(self) -> EstimatorSettings:
        return EstimatorSettings.model_validate(
            {
                "estimator": self.estimator,
                "keep_penalty": KeepPenalty(mode="none"),
                "invalid_action_penalty": 0.0,
                "normalize": False,
                "group_scale": "none",
                **self.lambdas,
            }
        )


def flat(lam: float) -> Contender:
    return Contender(f"flat GAE {lam:g}", "gae", {"lambda_turn": lam})


def by_decision(lam: float) -> Contender:
    return Contender(f"dgae {lam:g}", "dgae", {"lambda_decision": lam})


CONTENDERS = (
    flat(1.0),
    flat(0.95),
    Contender("HAE", "hae"),
    Contender("HAE, b = 0.95", "hae", {"lambda_boundary": 0.95}),
    by_decision(0.95),
    Contender("GRPO", "grpo"),
    # GiGPO adds two advantages of the same return, so its mean is about twice the gradient.
    Contender("GiGPO", "gigpo", scale=0.5),
)
LAMBDAS = (1.0, 0.95, 0.8, 0.5, 0.0)
BY_LAMBDA = (*map(flat, LAMBDAS), *map(by_decision, LAMBDAS))


@dataclass(frozen=True)
class Point:
    """A setting in which the estimators are compared."""

    study: str
    """Name of what is varied: `horizon`, `segment length`, `value error` or `lambda`."""
    horizon: int
    segment_length: float
    value_error: float = 0.0
    """Error of all values, in standard deviations of V_high."""

    @property
    def contenders(self) -> tuple[Contender, ...]:
        return BY_LAMBDA if self.study == "lambda" else CONTENDERS


ERRORS = (0.0, 0.1, 0.3, 1.0)
POINTS = (
    *(Point("horizon", horizon, 5.0) for horizon in (6, 12, 24, 48, 96)),
    *(Point("segment length", 48, length) for length in (1.5, 3.0, 5.0, 10.0, 20.0, 1000.0)),
    *(Point("value error", horizon, 5.0, error) for horizon in (24, 96) for error in ERRORS),
    *(Point("lambda", 48, 5.0, error) for error in ERRORS),
)


@dataclass(frozen=True)
class Outcome:
    """The result of one estimator at one point, for one adapter."""

    point: Point
    success_rate: float
    mean_turns: float
    contender: str
    adapter: str
    variance: Interval
    """Trace of the covariance of a batch's mean gradient, divided by |gradient|²."""
    squared_error: Interval
    """Expected squared error of a batch's mean gradient, including bias, divided by |gradient|²."""
    best: bool
    """Whether no other estimator at this point has a significantly lower squared error."""


def compare(point: Point, episodes: int, seed: int) -> Iterator[Outcome]:
    """Compares all contenders on the same episodes, for both adapters."""
    task = errands(4, max(1, point.horizon // TURNS_PER_ERRAND), point.horizon)
    policies = policies_of(*half_trained(task, point.segment_length, seed))
    values = exact_values(task, policies, 1.0, 0.0)
    values = disturbed(values, point.value_error, ("low", "high", "switch"), seed)
    exact = exact_gradient(task, policies, 1.0, 0.0)
    rng = np.random.default_rng([seed, POINTS.index(point)])
    rollouts = sample(task, policies, episodes, rng)
    resampling = Resampling(episodes // GROUP, SAMPLES, rng)

    variances: dict[str, dict[str, Floats]] = {adapter: {} for adapter in ADAPTERS}
    errors: dict[str, dict[str, Floats]] = {adapter: {} for adapter in ADAPTERS}
    for contender in point.contenders:
        batch = turn_batch(rollouts, contender.critic(values))
        gradients = group_gradients(task, policies, rollouts, estimate(batch, contender.settings()))
        for adapter in ADAPTERS:
            sampled = contender.scale * _of_adapter(gradients, adapter, episodes // GROUP)
            target = _of_adapter(exact, adapter, 1)[0]
            square, rows = target @ target, BATCH // GROUP
            variances[adapter][contender.name] = resampling.variance(sampled) / rows / square
            errors[adapter][contender.name] = resampling.squared_error(sampled, target, rows) / square
    for adapter in ADAPTERS:
        least = min(errors[adapter].values(), key=lambda error: float(error[0]))
        for name, error in errors[adapter].items():
            yield Outcome(
                point=point,
                success_rate=float(rollouts.success.mean()),
                mean_turns=float(np.diff(rollouts.offsets).mean()),
                contender=name,
                adapter=adapter,
                variance=interval(variances[adapter][name]),
                squared_error=interval(error),
                best=interval(error / least).low <= 1.0,
            )


def _of_adapter(gradients: GroupGradients | Gradient, adapter: str, rows: int) -> Floats:
    """[rows, parameters of the adapter] gradients of all levels that the adapter learns."""
    levels = [getattr(gradients, level).reshape(rows, -1) for level in ADAPTERS[adapter]]
    return np.concatenate(levels, axis=1)
