"""Hierarchical advantages: numbers worked out by hand, and agreement with a literal implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.literal import episodes_of, literal_hae
from hae import EstimatorSettings, KeepPenalty, Normalize, TurnBatch, estimate
from tests.hae import strategies
from tests.hae.strategies import PLAIN

LEVELS = ("low", "high", "switch", "target_low", "target_high", "target_switch")

THREE_TURNS = TurnBatch(
    episode_offsets=[0, 3],
    reward=[1.0, 2.0, 4.0],
    switch=[False, False, True],
    terminated=[False],
    value_low=[10.0, 20.0, 30.0],
    value_high=[1.0, 100.0, 2.0],
    value_switch=[5.0, 6.0, 7.0],
    final_value_low=[40.0],
    final_value_high=[3.0],
)
"""Two segments: turns 0 and 1, turn 2."""
HALVES = PLAIN.model_copy(update={"gamma": 0.5, "lambda_turn": 0.5, "lambda_segment": 0.5})


def test_three_turns_by_hand() -> None:
    result = estimate(THREE_TURNS, HALVES)
    # turn 2: 4 - 30; turn 1: 2 + 0.5 * V_high(2) - 20; turn 0: 1 + 0.5 * 20 - 10 + 0.25 * turn 1
    np.testing.assert_allclose(result.low, [1.0 + 0.25 * -17.0, -17.0, -26.0])
    # segment 1: 4 - 2; segment 0: 1 + 0.5 * 2 + 0.25 * 2 - 1 + 0.25 * 0.5 * 2
    np.testing.assert_allclose(result.high, [1.5 + 0.25, 0.0, 2.0])
    # G: 4; 2 + 0.5 * 2 = 3; 1 + 0.5 * 3 = 2.5
    np.testing.assert_allclose(result.switch, [2.5 - 5.0, 3.0 - 6.0, 4.0 - 7.0])
    np.testing.assert_allclose(result.target_low, [6.75, 3.0, 4.0])
    np.testing.assert_allclose(result.target_high, [2.75, 0.0, 4.0])
    np.testing.assert_allclose(result.target_switch, [2.5, 3.0, 4.0])
    np.testing.assert_array_equal(result.segment_start, [True, False, True])
    np.testing.assert_array_equal(result.target_high_mask, [True, False, True])


@pytest.mark.parametrize(
    ("mode", "low", "high"), [("none", -26.0, 2.0), ("last", -26.0 + 15.0, 2.0 + 1.0), ("final", -6.0, 3.5)]
)
def test_each_bootstrap_by_hand(mode: str, low: float, high: float) -> None:
    result = estimate(THREE_TURNS, HALVES.model_copy(update={"bootstrap": mode}))
    assert result.low[2] == pytest.approx(low)
    assert result.high[2] == pytest.approx(high)
    assert result.switch[2] == pytest.approx(high + 2.0 - 7.0)


@pytest.mark.parametrize(
    ("mode", "expected"), [("none", 1.0), ("fixed", 1.0 - 0.6), ("normalized", 1.0 - 0.2)]
)
def test_each_keep_penalty_by_hand(mode: str, expected: float) -> None:
    settings = PLAIN.model_copy(update={"keep_penalty": KeepPenalty(mode=mode, value=-0.6)})
    result = estimate(THREE_TURNS, settings)
    assert result.target_switch[0] - result.target_switch[1] == pytest.approx(expected)
    assert result.target_switch[2] == pytest.approx(4.0)


def test_an_episode_of_one_turn_has_no_normalized_keep_penalty() -> None:
    batch = TurnBatch([0, 1], [1.0], [False], [True], [0.0], [0.0], [0.0])
    penalty = KeepPenalty(mode="normalized", value=-3.5)
    assert estimate(batch, PLAIN.model_copy(update={"keep_penalty": penalty})).low[0] == 1.0


@given(strategies.batches, strategies.settings)
@hypothesis_settings(deadline=None, max_examples=150)
def test_agrees_with_the_literal_implementation(batch: TurnBatch, settings: EstimatorSettings) -> None:
    ours, theirs = estimate(batch, settings), literal_hae(episodes_of(batch), settings)
    for level in LEVELS:
        np.testing.assert_allclose(getattr(ours, level), getattr(theirs, level), rtol=1e-9, atol=1e-9)


@given(strategies.batches, strategies.settings)
@hypothesis_settings(deadline=None, max_examples=50)
def test_normalisation_is_over_the_whole_batch(batch: TurnBatch, settings: EstimatorSettings) -> None:
    raw = estimate(batch, settings)
    ours = estimate(batch, settings.model_copy(update={"normalize": EstimatorSettings().normalize}))
    for level in ("low", "switch"):
        x = getattr(raw, level)
        np.testing.assert_allclose(getattr(ours, level), (x - x.mean()) / (x.std() + 1e-8), atol=1e-7)
    start = raw.segment_start
    x = raw.high[start]
    np.testing.assert_allclose(ours.high[start], (x - x.mean()) / (x.std() + 1e-8), atol=1e-7)
    assert not ours.high[~start].any()
    np.testing.assert_array_equal(ours.target_high, raw.target_high)


@given(strategies.batches, strategies.settings, st.sampled_from(["hae", "gae", "dgae"]))
@hypothesis_settings(deadline=None, max_examples=50)
def test_one_deviation_for_all_levels_keeps_their_ratio(
    batch: TurnBatch, settings: EstimatorSettings, estimator: str
) -> None:
    settings = settings.model_copy(update={"estimator": estimator})
    raw = estimate(batch, settings)
    ours = estimate(batch, settings.model_copy(update={"normalize": Normalize(deviation="low")}))
    start, scale = raw.segment_start, raw.low.std() + 1e-8
    np.testing.assert_allclose(ours.low, (raw.low - raw.low.mean()) / scale, atol=1e-7)
    np.testing.assert_allclose(ours.switch, (raw.switch - raw.switch.mean()) / scale, atol=1e-7)
    high = raw.high[start]
    np.testing.assert_allclose(ours.high[start], (high - high.mean()) / scale, atol=1e-7)
    assert not ours.high[~start].any()


def test_the_deviation_of_the_actions_is_used_where_they_are_not_normalised_themselves() -> None:
    normalize = Normalize(low=False, switch=False, deviation="low")
    result = estimate(THREE_TURNS, HALVES.model_copy(update={"normalize": normalize}))
    np.testing.assert_allclose(result.low, [-3.25, -17.0, -26.0])
    high = np.array([1.75, 2.0])
    expected = (high - high.mean()) / np.std([-3.25, -17.0, -26.0])
    np.testing.assert_allclose(result.high[[0, 2]], expected)


def test_a_boundary_by_hand() -> None:
    result = estimate(THREE_TURNS, HALVES.model_copy(update={"lambda_boundary": 0.5}))
    # After turn 1 comes V_high(2) + 0.5 * A_high(2) = 2 + 0.5 * 2 = 3 in place of 2.
    np.testing.assert_allclose(result.low, [1.0 + 0.25 * -16.5, 2.0 + 0.5 * 3.0 - 20.0, -26.0])
    np.testing.assert_allclose(result.high, [1.75, 0.0, 2.0])
    np.testing.assert_allclose(result.switch, [1.0 + 0.5 * 3.5 - 5.0, 3.5 - 6.0, 4.0 - 7.0])


def test_two_value_heads_leave_the_switch_level_out() -> None:
    batch = TurnBatch([0, 1], [1.0], [True], [True], [0.5], [0.25])
    result = estimate(batch, EstimatorSettings())
    assert result.switch is None
    assert result.target_switch is None
