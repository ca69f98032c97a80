"""Intervals by hand, and pairing by seed."""

from __future__ import annotations

import pytest

from studies.curves.statistics import Interval, after_training, over_training, paired
from tests.studies.curves.outcomes import outcome


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([90.0, 94.0], "92.0 ± 25.4"),
        ([1.0, 2.0, 3.0], "2.0 ± 2.5"),
        ([5.0, 5.0, 5.0, 5.0], "5.0 ± 0.0"),
        ([7.0], "7.0"),
    ],
)
def test_intervals_of_means(values: list[float], text: str) -> None:
    # Student's t at 97.5 %: 12.706, 4.303 and 3.182 for one, two and three degrees of freedom.
    assert str(Interval.of(values)) == text


def test_differences_are_between_runs_with_the_same_seed() -> None:
    ours = [outcome("hae", 0, 0.5), outcome("hae", 1, 0.9), outcome("hae", 3, 0.1)]
    theirs = [outcome("gae", 1, 0.7), outcome("gae", 0, 0.2), outcome("gae", 2, 0.9)]
    difference = paired(ours, theirs, over_training)
    assert difference is not None
    # 30 and 20 points: the standard error is 5.
    assert (difference.mean, difference.half) == (pytest.approx(25), pytest.approx(5 * 12.706, rel=1e-4))
    assert paired(ours[2:], theirs, over_training) is None


def test_measures_are_in_per_cent() -> None:
    run = outcome("hae", 0, 0.0, 0.5, 1.0, won=150)
    assert (over_training(run), after_training(run)) == (50.0, 75.0)
