"""How a step's time is divided, and percentages that add up as printed."""

from __future__ import annotations

import pytest

from core.role import Role
from orchestrator.report.time_parts import Part, percentages, time_parts
from run_folder import metric_names as names

GATHERED = {
    names.TIME_GATHER: 10.0,
    names.ENGINE_SHARE: 0.6,
    names.ENVIRONMENT_SHARE: 0.3,
    names.RPC_SHARE: 0.1,
}


def test_gathering_is_divided_by_the_episodes_shares() -> None:
    assert time_parts([GATHERED]) == [
        Part("generation", 6.0),
        Part("environment", 3.0),
        Part("RPC and orchestrator", 1.0),
    ]


def test_each_step_is_divided_by_its_own_shares() -> None:
    other = {names.TIME_GATHER: 4.0, names.ENGINE_SHARE: 0.0, names.ENVIRONMENT_SHARE: 1.0}
    assert time_parts([GATHERED, other])[:2] == [Part("generation", 6.0), Part("environment", 7.0)]


def test_gathering_without_shares_is_a_part_of_its_own() -> None:
    (part,) = time_parts([{names.TIME_GATHER: 4.0}])
    assert part.seconds == 4.0 and "not" in part.name


def test_the_rest_of_an_update_is_other_and_never_negative() -> None:
    line = {names.TIME_UPDATE: 5.0, names.TIME_VALUES: 1.5, names.TIME_UPDATE_CRITIC: 2.0}
    assert time_parts([line]) == [
        Part("values", 1.5),
        Part("update: critic", 2.0),
        Part("update: other", 1.5),
    ]
    rounded = {names.TIME_UPDATE: 5.0, names.TIME_VALUES: 5.1}
    assert time_parts([rounded]) == [Part("values", 5.1)]


def test_parts_are_in_the_order_of_a_step() -> None:
    before = (names.TIME_PUSH, names.TIME_CHECKPOINT, names.TIME_START, names.TIME_VALUES)
    within = (names.TIME_ADVANTAGES, *map(names.time_update, Role), names.TIME_UPDATE_CRITIC)
    line = {**dict.fromkeys((*before, *within), 1.0), names.TIME_UPDATE: 6.0}
    shown = [part.name for part in time_parts([{**line, **GATHERED}])]
    assert shown == [
        "start",
        "generation",
        "environment",
        "RPC and orchestrator",
        "values",
        "advantages",
        "update: planner",
        "update: executor",
        "update: critic",
        "update: other",
        "checkpoint",
        "push",
    ]


def test_nothing_has_no_parts() -> None:
    assert time_parts([]) == time_parts([{}]) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ([1, 1, 1], [33.4, 33.3, 33.3]),
        ([1, 1, 1, 1, 1, 1], [16.7, 16.7, 16.7, 16.7, 16.6, 16.6]),
        ([2, 1], [66.7, 33.3]),
        ([999, 1], [99.9, 0.1]),
        ([9999, 1], [100.0, 0.0]),
        ([5], [100.0]),
    ],
)
def test_the_largest_remainders_are_rounded_up(seconds: list[float], shown: list[float]) -> None:
    assert percentages([Part("part", each) for each in seconds]) == shown
