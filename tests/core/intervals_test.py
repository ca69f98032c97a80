"""Wilson's and the normal interval against worked numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.intervals import Mean, normal, wilson


def test_a_worked_example() -> None:
    """8 of 10: (0.8 + 3.8415 / 20 ± 1.96 √(0.016 + 3.8415 / 400)) / (1 + 0.38415)."""
    interval = wilson(8, 10)
    assert interval.rate == 0.8
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert str(interval) == "80.0 % [49.0, 94.3]"


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_scipy_agrees(counts: tuple[int, int]) -> None:
    ours, theirs = wilson(*counts), binomtest(*counts).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.rate <= ours.high <= 1


@pytest.mark.parametrize("counts", [(1, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(*counts)


def test_the_normal_interval_of_a_mean() -> None:
    """Of 0, 1, 0, 1 the standard deviation is 1 / sqrt(3): the half is 1.95996 / sqrt(12)."""
    assert str(normal([0, 1, 0, 1])) == "0.500 [-0.066, 1.066]"
    assert normal([0.75]) == Mean(0.75, 0.0)
