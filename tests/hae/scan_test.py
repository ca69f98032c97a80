"""The recursion, against the loop it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from hae.scan import reverse_scan


@pytest.mark.parametrize("turns", [1, 2, 3, 100, 5000])
def test_the_scan_is_the_loop(turns: int) -> None:
    rng = np.random.default_rng(turns)
    x, decay = rng.normal(size=turns), rng.choice([0.0, 0.5, 0.99, 1.0], size=turns)
    expected, y = np.empty(turns), 0.0
    for t in reversed(range(turns)):
        y = x[t] + (decay[t] * y if t + 1 < turns else 0.0)
        expected[t] = y
    # Not bit for bit: some of OpenBLAS's kernels fuse multiply and add.
    np.testing.assert_allclose(reverse_scan(x, decay), expected, rtol=1e-12, atol=1e-13)


def test_the_arguments_are_left_alone() -> None:
    x, decay = np.ones(4), np.full(4, 0.5)
    reverse_scan(x, decay)
    np.testing.assert_array_equal(x, np.ones(4))
    np.testing.assert_array_equal(decay, np.full(4, 0.5))


def test_a_discount_of_a_long_horizon_keeps_its_digits() -> None:
    y = reverse_scan(np.ones(100_000), np.full(100_000, 0.9))
    assert y[0] == pytest.approx(10.0, rel=1e-14)


def test_a_zero_cuts_exactly() -> None:
    rng = np.random.default_rng(0)
    x, decay = rng.normal(size=200), np.full(200, 0.9)
    decay[99] = 0.0
    np.testing.assert_array_equal(reverse_scan(x, decay)[:100], reverse_scan(x[:100], decay[:100]))
