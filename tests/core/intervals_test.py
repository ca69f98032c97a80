"""Wilson's interval against worked numbers and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.intervals import mean_score, wilson


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


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_scores_of_nothing_and_all_have_the_interval_of_a_success_rate(counts: tuple[int, int]) -> None:
    won, count = counts
    score, success = mean_score(won / count, count), wilson(won, count)
    assert (score.mean, score.low, score.high) == (success.rate, success.low, success.high)


def test_an_interval_of_scores_holds_the_mean_as_often_as_it_says() -> None:
    """500 times 40 scores, of which 30 % are 0, 20 % are 0.5, and the others 1."""
    draws = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (500, 40), p=[0.3, 0.2, 0.5])
    intervals = [mean_score(float(mean), 40) for mean in draws.mean(axis=1)]
    assert sum(one.low <= 0.6 <= one.high for one in intervals) / 500 > 0.95


def test_a_mean_score_in_words() -> None:
    assert str(mean_score(0.5, 4)) == "0.500 [0.150, 0.850]"


@pytest.mark.parametrize(("mean", "count"), [(1.01, 3), (-0.5, 3), (0.5, 0), (float("nan"), 3)])
def test_impossible_means_are_refused(mean: float, count: int) -> None:
    with pytest.raises(ValueError, match="0 <= mean <= 1"):
        mean_score(mean, count)
