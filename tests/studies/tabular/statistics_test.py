"""Intervals and tests, worked out by hand on two or three rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from studies.tabular.statistics import Resampling, RunningMoments, Z, interval


def moments(*rows: tuple[float, ...]) -> RunningMoments:
    found = RunningMoments(len(rows[0]))
    found.add(np.array(rows, dtype=np.float64))
    return found


def test_a_mean_that_is_exact() -> None:
    # The second parameter never changes: it was not met.
    result = moments((1, 0), (3, 0)).compare(np.array([2.0, 5.0]))
    assert (result.slope, result.parameters, result.outside, result.bias) == (1.0, 1, 0, 0.0)
    # The variance of the mean is 1/2: the half interval is Z · sqrt(4 · 1/2) / 4.
    assert result.slope_error == pytest.approx(Z * np.sqrt(2) / 4)
    assert result.p_value == 1.0
    assert pytest.approx(2.5758, abs=1e-4) == Z


def test_a_mean_that_is_off() -> None:
    result = moments((1, 0), (3, 0)).compare(np.array([4.0, 0.0]))
    assert result.slope == 0.5
    assert result.outside == 1, "2 is more than Z · sqrt(1/2)"
    assert result.p_value == pytest.approx(chi2.sf(2**2 / 0.5, 1))
    assert result.bias == pytest.approx(np.sqrt(4 - 0.5) / 4)


def test_rows_may_come_in_parts() -> None:
    rng = np.random.default_rng(0)
    rows, exact = rng.normal(size=(50, 3)), np.array([1.0, 2.0, 3.0])
    parts = RunningMoments(3)
    for part in np.split(rows, [7, 20, 21]):
        parts.add(part)
    whole = RunningMoments(3)
    whole.add(rows)
    assert parts.compare(exact).slope == pytest.approx(whole.compare(exact).slope)
    assert parts.compare(exact).p_value == pytest.approx(whole.compare(exact).p_value)


def test_chance_alone_is_rarely_called_a_bias() -> None:
    exact = np.array([1.0, -2.0, 0.5, 3.0])
    rng = np.random.default_rng(1)
    results = []
    for _ in range(200):
        rows = exact + rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))
        found = RunningMoments(4)
        found.add(rows)
        results.append(found.compare(exact))
    assert sum(result.p_value < 0.05 for result in results) <= 20, "about 10 are expected"
    assert sum(abs(result.slope - 1) > result.slope_error for result in results) <= 8, "about 2 are expected"


def test_variance_is_the_unbiased_trace() -> None:
    resampling = Resampling(3, 10, np.random.default_rng(0))
    gradients = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]])
    # Columns: variances 4 and 3.
    assert resampling.variance(gradients)[0] == pytest.approx(7.0)
    assert len(resampling.variance(gradients)) == 11


def test_squared_error_is_bias_squared_and_the_variance_of_a_batch() -> None:
    resampling = Resampling(2, 5, np.random.default_rng(0))
    gradients = np.array([[0.0], [2.0]])
    # Mean 1, variance 2. What chance adds to the square of the bias, 2 / 2, is taken off.
    assert resampling.squared_error(gradients, np.array([-1.0]), batch=4)[0] == pytest.approx(4 - 1 + 0.5)
    assert resampling.squared_error(gradients, np.array([1.0]), batch=4)[0] == pytest.approx(0.5)


def test_the_error_of_an_unbiased_estimate_is_its_variance_on_average() -> None:
    rng = np.random.default_rng(0)
    errors = [
        Resampling(50, 40, rng).squared_error(rng.normal(size=(50, 1)), np.zeros(1), batch=10**9)
        for _ in range(200)
    ]
    # Negative squares are raised to 0, so that the mean is a little above the truth, 0, and below 1 / 50.
    assert 0 <= np.mean([each[0] for each in errors]) < 1 / 50
    assert 0 <= np.mean([each[1:].mean() for each in errors]) < 2 / 50


def test_the_same_samples_are_compared() -> None:
    resampling = Resampling(20, 30, np.random.default_rng(0))
    gradients = np.random.default_rng(1).normal(size=(20, 2))
    ratio = resampling.variance(3 * gradients) / resampling.variance(gradients)
    np.testing.assert_allclose(ratio, 9)


def test_an_interval_is_of_the_samples_without_the_first() -> None:
    found = interval(np.array([5.0, *np.arange(101.0)]))
    assert (found.value, found.low, found.high) == (5.0, pytest.approx(0.5), pytest.approx(99.5))
