"""Measures of an update's parts as metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.role import Role
from hae import Advantages
from learner.update.optimizer import Step
from learner.update.policy_update import _loss_metrics, _with_share, step_metrics
from learner.update.update_metrics import advantage_metrics, placed, throughput_metrics
from run_folder import metric_names as names

ADVANTAGES = Advantages(
    segment_start=np.array([True, False, True]),
    low=np.array([1.0, 2.0, 3.0]),
    high=np.array([4.0, 0.0, 6.0]),
    switch=np.array([0.0, 3.0, 0.0]),
    target_low=None,
    target_high=None,
    target_switch=None,
    target_high_mask=np.array([True, False, True]),
)


def test_measures_get_their_part_s_names_and_seconds_a_name_of_their_own() -> None:
    found = placed({names.LOSS: 2.0, names.SECONDS: 3.0}, lambda measure: f"critic/{measure}", "time")
    assert found == {f"critic/{names.LOSS}": 2.0, "time": 3.0}


def test_advantages_count_where_they_are_used() -> None:
    metrics = advantage_metrics(ADVANTAGES)
    assert metrics == pytest.approx(
        {
            names.advantage_mean("low"): 2.0,
            names.advantage_std("low"): np.sqrt(2 / 3),
            names.advantage_mean("high"): 5.0,
            names.advantage_std("high"): 1.0,
            names.advantage_mean("switch"): 1.0,
            names.advantage_std("switch"): np.sqrt(2.0),
        }
    )


def test_two_heads_have_no_switch_advantage() -> None:
    metrics = advantage_metrics(replace(ADVANTAGES, switch=None))
    assert names.advantage_mean("switch") not in metrics and len(metrics) == 4


def test_throughput_is_of_all_parts_together() -> None:
    parts = dict(zip(names.of_all_parts(names.SEQUENCE_TOKENS), (100.0, 200.0, 300.0), strict=True))
    parts |= dict(zip(names.of_all_parts(names.COMPUTED_TOKENS), (50.0, 100.0, 150.0), strict=True))
    assert throughput_metrics(parts, seconds=12.0) == pytest.approx(
        {names.UPDATE_TOKENS_PER_SECOND: 50.0, names.SHARED_TOKENS_SHARE: 0.5}
    )


def test_an_update_without_tokens_has_no_throughput() -> None:
    assert throughput_metrics({}, seconds=2.0) == {
        names.UPDATE_TOKENS_PER_SECOND: 0.0,
        names.SHARED_TOKENS_SHARE: 0.0,
    }


def test_norms_are_averaged_over_the_steps_that_were_taken() -> None:
    steps = [Step(2.0, False), Step(float("nan"), True), Step(4.0, False)]
    assert step_metrics(steps) == {names.GRADIENT_NORM: 3.0, names.SKIPPED_STEPS: 1.0}
    assert step_metrics([Step(float("inf"), True)]) == {names.GRADIENT_NORM: 0.0, names.SKIPPED_STEPS: 1.0}
    assert _loss_metrics([None], [Step(1.0, True)]) == {}  # type: ignore[list-item]


def test_the_share_that_is_done_reaches_the_end() -> None:
    assert list(_with_share("abcd", 0.2, 1.0)) == [
        ("a", pytest.approx(0.4)),
        ("b", pytest.approx(0.6)),
        ("c", pytest.approx(0.8)),
        ("d", pytest.approx(1.0)),
    ]
    assert list(_with_share([], 0.0, 1.0)) == []


def test_names_of_the_parts_are_those_of_planner_executor_and_critic() -> None:
    assert len(set(names.of_all_parts(names.SEQUENCE_TOKENS))) == 3
    assert names.time_update(Role.PLANNER) != names.time_update(Role.EXECUTOR)
