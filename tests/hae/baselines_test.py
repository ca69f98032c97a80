"""Flat GAE, GRPO and GiGPO: numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.literal import episodes_of
from benchmarks.literal_gigpo import literal_gigpo
from hae import EstimatorSettings, TurnBatch, estimate
from tests.hae import strategies
from tests.hae.strategies import PLAIN

BATCH = TurnBatch(
    episode_offsets=[0, 2, 3, 5, 6],
    reward=[1.0, 2.0, 7.0, 0.0, 1.0, 5.0],
    switch=[False, False, True, True, True, False],
    terminated=[True, False, True, True],
    value_low=[10.0, 20.0, 30.0, 0.0, 0.0, 0.0],
    value_high=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    value_switch=[0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    final_value_low=[99.0, 2.0, 99.0, 99.0],
    final_value_high=[99.0, 4.0, 99.0, 99.0],
    final_value_switch=[99.0, 6.0, 99.0, 99.0],
    group=["a", "a", "a", "b"],
    state=["hall", "door", "hall", "hall", "hall", "hall"],
)
GAE = PLAIN.model_copy(update={"estimator": "gae", "gamma": 0.5, "lambda_turn": 0.5, "bootstrap": "final"})
GRPO = PLAIN.model_copy(update={"estimator": "grpo"})
GIGPO = PLAIN.model_copy(
    update={"estimator": "gigpo", "group_scale": "none", "step_weight": 2.0, "step_gamma": 0.5}
)


def test_gae_by_hand() -> None:
    result = estimate(BATCH, GAE)
    np.testing.assert_allclose(result.low, [1 + 10 - 10 + 0.25 * -18, -18, 7 + 1 - 30, 0.25, 1, 5])
    # off the segment starts 0, and turn 0 of an episode is one whatever was recorded
    np.testing.assert_allclose(result.high, [1 + 1 - 1, 0, 7 + 2 - 3, 2.5 - 4 + 0.25 * -4, -4, -1])
    np.testing.assert_allclose(result.switch, [1.5, 2, 7 + 3 - 1, 0.25, 1, 5])
    np.testing.assert_allclose(result.target_high, [2.0, 2.0, 9.0, 1.5, 1.0, 5.0])
    assert result.target_high_mask.all()


def test_gae_looks_across_segments_where_hae_does_not() -> None:
    rewarded_later = replace(BATCH, reward=[1.0, 2.0, 7.0, 0.0, 101.0, 5.0])
    for estimator, moved in (("gae", 0.25 * 100), ("hae", 0.0)):
        settings = GAE.model_copy(update={"estimator": estimator})
        change = estimate(rewarded_later, settings).low[3] - estimate(BATCH, settings).low[3]
        assert change == pytest.approx(moved)


def test_grpo_by_hand() -> None:
    # scores 3, 7 and 1 in group a, 5 alone in b; mean 11/3, sample variance 28/3
    result = estimate(BATCH, GRPO)
    a = (np.array([3.0, 7.0, 1.0]) - 11 / 3) / np.sqrt(28 / 3)
    np.testing.assert_allclose(result.low, [a[0], a[0], a[1], a[2], a[2], 0.0], atol=1e-6)
    np.testing.assert_array_equal(result.switch, result.low)
    np.testing.assert_array_equal(result.high, np.where(result.segment_start, result.low, 0.0))
    assert result.target_low is None
    assert result.target_high is None
    assert not result.target_high_mask.any()


def test_grpo_without_scale_only_subtracts_the_mean() -> None:
    result = estimate(BATCH, GRPO.model_copy(update={"group_scale": "none"}))
    np.testing.assert_allclose(result.low[[0, 2, 3, 5]], np.array([3.0, 7.0, 1.0, 11 / 3]) - 11 / 3)


def test_grpo_of_equal_scores_is_zero() -> None:
    batch = replace(BATCH, reward=[0.1, 0.2, 0.3, 0.1, 0.2, 0.3], group=[1, 1, 1, 1])
    np.testing.assert_allclose(estimate(batch, GRPO).low, 0.0, atol=1e-9)


def test_grpo_pays_the_penalties_too() -> None:
    settings = EstimatorSettings(estimator="grpo", group_scale="none")
    two = replace(BATCH, reward=np.zeros(6), action_valid=[True, True, True, True, False, True])
    # a: two KEEP turns, nothing, one invalid action
    scores = np.array([-0.6, 0.0, -0.1])
    np.testing.assert_allclose(estimate(two, settings).low[[0, 2, 3]], scores - scores.mean())


def test_gigpo_by_hand() -> None:
    # Returns 1 + 0.5 * 2, 2 | 7 | 0 + 0.5 * 1, 1 | 5; the group meets the hall with 2, 7, 0.5 and 1.
    episode = np.array([3.0, 3.0, 7.0, 1.0, 1.0, 5.0]) - np.array([11 / 3] * 5 + [5.0])
    mean = 10.5 / 4
    step = np.array([2.0 - mean, 0.0, 7.0 - mean, 0.5 - mean, 1.0 - mean, 0.0])
    result = estimate(BATCH, GIGPO)
    np.testing.assert_allclose(result.low, episode + 2.0 * step)
    np.testing.assert_array_equal(result.switch, result.low)
    np.testing.assert_array_equal(result.high, np.where(result.segment_start, result.low, 0.0))
    assert result.target_switch is None


def test_gigpo_divides_each_comparison_by_its_own_deviation() -> None:
    result = estimate(BATCH, GIGPO.model_copy(update={"group_scale": "std", "step_weight": 1.0}))
    hall = np.array([2.0, 7.0, 0.5, 1.0])
    episode = (3.0 - 11 / 3) / np.sqrt(28 / 3)
    assert result.low[0] == pytest.approx(episode + (2.0 - hall.mean()) / hall.std(ddof=1), abs=1e-5)
    assert result.low[1] == pytest.approx(episode, abs=1e-6)  # Nothing else was at the door.


@given(strategies.batches, st.sampled_from(["std", "none"]), st.sampled_from([0.5, 1.0]))
@hypothesis_settings(deadline=None, max_examples=60)
def test_gigpo_agrees_with_the_literal_implementation(batch: TurnBatch, scale: str, gamma: float) -> None:
    changes = {"estimator": "gigpo", "group_scale": scale, "step_gamma": gamma, "step_weight": 0.7}
    settings = EstimatorSettings.model_validate(changes)
    expected = literal_gigpo(episodes_of(batch), batch.group.tolist(), batch.state.tolist(), settings)
    np.testing.assert_allclose(estimate(batch, settings).low, expected, rtol=1e-7, atol=1e-7)


@given(strategies.batches)
@hypothesis_settings(deadline=None, max_examples=30)
def test_gigpo_without_steps_is_grpo(batch: TurnBatch) -> None:
    settings = EstimatorSettings(estimator="gigpo", step_weight=0.0)
    grpo = estimate(batch, settings.model_copy(update={"estimator": "grpo"}))
    np.testing.assert_array_equal(estimate(batch, settings).low, grpo.low)
