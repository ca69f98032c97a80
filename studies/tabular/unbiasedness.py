"""Tests the first claim: that the mean of an estimator is the policy gradient, under several conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hae import EstimatorSettings, KeepPenalty, estimate
from studies.tabular.critics import SingleHeadCritic, TableCritic, TwoHeadCritic, disturbed, untrained
from studies.tabular.exact import Values, exact_gradient, exact_values
from studies.tabular.sampling import group_gradients, sample, turn_batch
from studies.tabular.statistics import Comparison, RunningMoments
from studies.tabular.task import Policies, Task, errands, half_trained, policies_of

LEVELS = ("subgoal", "decision", "action")
ALL = ("low", "high", "switch")
CHUNK = 20_000
PENALTY = -0.3
SEGMENT_LENGTH = 3.0


@dataclass(frozen=True)
class Condition:
    """Settings of an estimator and its critic, and the levels that theory predicts to be unbiased."""

    name: str
    unbiased: tuple[str, ...]
    estimator: str = "hae"
    lambda_turn: float = 1.0
    lambda_segment: float = 0.95
    lambda_boundary: float = 0.0
    lambda_decision: float = 0.95
    gamma: float = 1.0
    keep_penalty: float = 0.0
    sees_keep: bool = True
    values: Callable[[Values], Values] = field(default=lambda values: values)
    critic: type[TableCritic] = TableCritic
    """Class of the critic: `SingleHeadCritic` has one value per turn, `TwoHeadCritic` none for decisions."""
    discount_turns: bool = True
    bootstrap: str = "none"

    def settings(self) -> EstimatorSettings:
        return EstimatorSettings.model_validate(
            {
                "estimator": self.estimator,
                "gamma": self.gamma,
                "lambda_turn": self.lambda_turn,
                "lambda_segment": self.lambda_segment,
                "lambda_boundary": self.lambda_boundary,
                "lambda_decision": self.lambda_decision,
                "group_scale": "none",
                "keep_penalty": KeepPenalty(mode="fixed", value=self.keep_penalty),
                "invalid_action_penalty": 0.0,
                "bootstrap": self.bootstrap,
                "normalize": False,
            }
        )


def _wrong(*levels: str) -> Callable[[Values], Values]:
    return lambda values: disturbed(values, 1.0, levels, seed=7)


_SHORT: dict[str, Any] = {"lambda_turn": 0.9, "lambda_segment": 0.5}
_ONE: dict[str, Any] = {"lambda_segment": 1.0}
_RETURN: dict[str, Any] = {"lambda_segment": 1.0, "lambda_boundary": 1.0}
CONDITIONS = (
    Condition("exact values", LEVELS),
    Condition("exact values, lambda_turn 0.9, lambda_segment 0.5", LEVELS, **_SHORT),
    Condition("exact values, keep penalty", LEVELS, keep_penalty=PENALTY),
    Condition("exact values, keep penalty, lambda_turn 0.9", LEVELS, keep_penalty=PENALTY, lambda_turn=0.9),
    Condition("keep penalty, V_low does not see KEEP", LEVELS, keep_penalty=PENALTY, sees_keep=False),
    Condition(
        "keep penalty, V_low does not see KEEP, lambda_turn 0.9",
        ("subgoal", "decision"),
        keep_penalty=PENALTY,
        sees_keep=False,
        lambda_turn=0.9,
    ),
    Condition("V_low and V_switch wrong", LEVELS, values=_wrong("low", "switch")),
    Condition(
        "V_low and V_switch wrong, lambda_turn 0.9",
        ("subgoal", "decision"),
        values=_wrong("low", "switch"),
        lambda_turn=0.9,
    ),
    Condition("V_high wrong, lambda_segment 1", ("subgoal",), values=_wrong("high"), **_ONE),
    Condition("V_high wrong", (), values=_wrong("high")),
    Condition("all values wrong, lambda_segment 1", ("subgoal",), values=_wrong(*ALL), **_ONE),
    Condition("all values 0, lambda_segment 1", ("subgoal",), values=untrained, **_ONE),
    Condition("gamma 0.9, gradient with gamma^t", (), gamma=0.9),
    Condition("gamma 0.9, gradient without gamma^t", LEVELS, gamma=0.9, discount_turns=False),
    Condition("exact values, step limit as truncation, bootstrap last", (), bootstrap="last"),
    Condition("flat GAE, one exact value, lambda 0.95", LEVELS, "gae", 0.95, critic=SingleHeadCritic),
    Condition("flat GAE, three exact values, lambda 0.95", ("decision", "action"), "gae", 0.95),
    Condition("flat GAE, all values wrong, lambda 1", LEVELS, "gae", values=_wrong(*ALL)),
    Condition("flat GAE, all values wrong, lambda 0.95", (), "gae", 0.95, values=_wrong(*ALL)),
    Condition("lambda_boundary 0.95, exact values", LEVELS, lambda_boundary=0.95),
    Condition(
        "lambda_boundary 1, lambda_segment 1, all values wrong", LEVELS, values=_wrong(*ALL), **_RETURN
    ),
    Condition("lambda_boundary 0.95, all values wrong", (), values=_wrong(*ALL), lambda_boundary=0.95),
    Condition("dgae, exact values, lambda 0.95", LEVELS, "dgae"),
    Condition("dgae, exact values, lambda 0.5", LEVELS, "dgae", lambda_decision=0.5),
    Condition("dgae, exact values, keep penalty, lambda 0.95", LEVELS, "dgae", keep_penalty=PENALTY),
    Condition("dgae, two exact values, lambda 0.95", ("subgoal", "action"), "dgae", critic=TwoHeadCritic),
    Condition("dgae, gamma 0.9, gradient without gamma^t", LEVELS, "dgae", gamma=0.9, discount_turns=False),
    Condition("dgae, all values wrong, lambda 1", LEVELS, "dgae", lambda_decision=1.0, values=_wrong(*ALL)),
    Condition("dgae, all values wrong, lambda 0.95", (), "dgae", values=_wrong(*ALL)),
    Condition("GRPO, groups of 8, not scaled", (), "grpo"),
    Condition("GiGPO, groups of 8, not scaled", (), "gigpo"),
)


@dataclass(frozen=True)
class Finding:
    """The result of one level under one condition."""

    condition: str
    level: str
    expected: bool
    """Whether theory predicts that it is unbiased."""
    comparison: Comparison


def small_task(seed: int) -> tuple[Task, Policies]:
    """Two errands on three places in 8 turns; it has few parameters, so the intervals are narrow."""
    task = errands(places=3, number=2, horizon=8)
    return task, policies_of(*half_trained(task, SEGMENT_LENGTH, seed))


def examine(
    condition: Condition, episodes: int, seed: int, advance: Callable[[int], None] = lambda _: None
) -> list[Finding]:
    """The findings of all levels that have advantages; `advance` is called with numbers of episodes."""
    task, policies = small_task(seed)
    shaping = (condition.gamma, condition.keep_penalty)
    exact = exact_gradient(task, policies, *shaping, discount_turns=condition.discount_turns)
    values = condition.values(exact_values(task, policies, *shaping))
    # In dgae the decision earns the keep penalty, so V_low does not count it.
    counted = 0.0 if condition.estimator == "dgae" else condition.keep_penalty
    critic = condition.critic(values, counted, condition.sees_keep)
    levels = [x for x in LEVELS if x != "decision" or condition.critic is not TwoHeadCritic]
    derivatives = {level: getattr(exact, level).ravel() for level in levels}
    moments = {level: RunningMoments(len(derivatives[level])) for level in levels}
    rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
    for begin in range(0, episodes, CHUNK):
        rollouts = sample(task, policies, min(CHUNK, episodes - begin), rng)
        batch = turn_batch(rollouts, critic, step_limit_truncates=condition.bootstrap != "none")
        gradients = group_gradients(task, policies, rollouts, estimate(batch, condition.settings()))
        for level in levels:
            moments[level].add(getattr(gradients, level))
        advance(rollouts.episodes)
    return [
        Finding(
            condition.name, level, level in condition.unbiased, moments[level].compare(derivatives[level])
        )
        for level in levels
    ]
