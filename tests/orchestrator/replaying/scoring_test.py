"""Given tokens against what the engine samples from the same logits."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.replaying.scoring import scored
from orchestrator.replaying.tolerance import Tolerance

HALVES = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()


def test_the_sampled_token_has_no_margin() -> None:
    result = scored(HALVES, (1,), 1.0, [0.6])
    assert (result.sampled, result.margins) == ((1,), (0.0,))
    assert result.logprobs == pytest.approx((math.log(0.25),))


@pytest.mark.parametrize(
    ("token", "drawn", "sampled", "margin"), [(0, 0.51, 1, 0.01), (1, 0.48, 0, 0.02), (2, 0.1, 0, 0.65)]
)
def test_the_margin_is_the_distance_of_the_random_number(
    token: int, drawn: float, sampled: int, margin: float
) -> None:
    result = scored(HALVES, (token,), 1.0, [drawn])
    assert result.sampled == (sampled,)
    assert result.margins == pytest.approx((math.log1p(margin),))


def test_a_smaller_change_than_the_margin_does_not_change_the_token() -> None:
    (margin,) = scored(HALVES, (0,), 1.0, [0.505]).margins
    up = torch.tensor([[1.0, -1.0, -1.0]], dtype=torch.float64)
    logprobs = lambda change: (HALVES + change * up).log_softmax(-1)  # noqa: E731
    assert scored(logprobs(margin), (0,), 1.0, [0.505]).sampled == (1,)
    assert scored(logprobs(2.1 * margin), (0,), 1.0, [0.505]).sampled == (0,)


def test_without_temperature_the_margin_is_half_of_the_distance_to_the_best() -> None:
    result = scored(HALVES, (2,), 0.0, [0.9])
    assert result.sampled == (0,)
    assert result.margins == pytest.approx((math.log(2) / 2,))


def test_temperature_sharpens_the_distribution_and_widens_the_tolerance() -> None:
    result = scored(HALVES, (0,), 0.5, [0.6])
    assert result.logprobs == pytest.approx((math.log(4 / 6),))
    assert Tolerance.of(torch.float32, 0.5).nats == 2 * Tolerance.of(torch.float32, 1.0).nats


def test_a_stored_log_probability_may_be_rounded_to_float32() -> None:
    exact = -17.123456789123
    assert Tolerance(0.0).covers(float(torch.tensor(exact, dtype=torch.float32)), exact)
    assert not Tolerance(0.0).covers(exact - 3e-6, exact)
