"""Which runs the study has, and when each can be played."""

from __future__ import annotations

from studies.curves.methods import Cell
from studies.curves.plan import Plan
from studies.curves.study import Outcome
from tests.studies.curves.outcomes import outcome

PLAN = Plan(("tiny", "long"), ("hae", "gae"), (0, 1), (1e-3, 2e-3), (100, 101))


def done(*outcomes: Outcome) -> dict[Cell, Outcome]:
    return {one.cell: one for one in outcomes}


def choosing(method: str, horizon: str, *areas: float) -> list[Outcome]:
    """Results of the four runs that choose a rate: two seeds with the first rate, two with the second."""
    places = [(rate, seed) for rate in PLAN.rates for seed in PLAN.choosing_seeds]
    return [
        outcome(method, seed, area, horizon=horizon, rate=rate)
        for (rate, seed), area in zip(places, areas, strict=True)
    ]


def test_the_rate_with_the_best_mean_over_the_choosing_seeds_is_chosen() -> None:
    finished = done(*choosing("hae", "tiny", 0.5, 0.2, 0.4, 0.4))
    assert PLAN.chosen("tiny", "hae", finished.get) == 2e-3
    assert PLAN.chosen("tiny", "gae", finished.get) is None
    assert PLAN.chosen("long", "hae", finished.get) is None


def test_runs_are_reported_once_their_rate_is_chosen_and_seed_by_seed() -> None:
    finished = done(
        *choosing("hae", "tiny", 0.5, 0.2, 0.4, 0.4),
        *choosing("gae", "tiny", 0.5, 0.5, 0.4, 0.4),
    )
    assert list(PLAN.reported(finished.get)) == [
        Cell("tiny", "hae", 2e-3, 0),
        Cell("tiny", "gae", 1e-3, 0),
        Cell("tiny", "hae", 2e-3, 1),
        Cell("tiny", "gae", 1e-3, 1),
    ]


def test_runs_that_choose_come_first_and_finished_ones_are_left_out() -> None:
    assert len(PLAN.unfinished({}.get)) == 16
    first = outcome("hae", 100, 0.5, horizon="tiny")
    left = PLAN.unfinished(done(first).get)
    assert first.cell not in left and len(left) == 15
    finished = done(*choosing("hae", "tiny", 0.1, 0.1, 0.2, 0.2))
    left = PLAN.unfinished(finished.get)
    assert left[-2:] == [Cell("tiny", "hae", 2e-3, 0), Cell("tiny", "hae", 2e-3, 1)]
    assert not any(PLAN.reports(cell) for cell in left[:-2]) and all(map(PLAN.reports, left[-2:]))


def test_with_a_single_rate_there_is_nothing_to_choose() -> None:
    plan = Plan(("tiny",), ("hae", "gae"), (0, 1), (3e-3,), (100,))
    assert plan.unfinished({}.get) == [
        Cell("tiny", method, 3e-3, seed) for seed in (0, 1) for method in ("hae", "gae")
    ]
    assert plan.size == 4


def test_the_size_counts_all_runs() -> None:
    assert PLAN.size == 2 * 2 * (2 + 2 * 2)
