"""Decision-level GAE: numbers worked out by hand, a literal twin, and the identities that define it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.literal import episodes_of
from benchmarks.literal_dgae import literal_dgae
from hae import EstimatorSettings, KeepPenalty, TurnBatch, estimate
from tests.hae import strategies
from tests.hae.strategies import PLAIN, random_batch

few = hypothesis_settings(deadline=None, max_examples=80)
DGAE = PLAIN.model_copy(update={"estimator": "dgae"})
HALVES = DGAE.model_copy(
    update={
        "gamma": 0.5,
        "lambda_decision": 0.5,
        "keep_penalty": KeepPenalty(mode="fixed", value=-1.0),
    }
)
BATCH = TurnBatch(
    episode_offsets=[0, 3],
    reward=[1.0, 2.0, 4.0],
    switch=[True, False, True],
    terminated=[False],
    value_low=[10.0, 20.0, 30.0],
    value_high=[2.0, 100.0, 3.0],
    value_switch=[5.0, 6.0, 7.0],
    final_value_low=[40.0],
    final_value_high=[50.0],
    final_value_switch=[8.0],
)


def close(a: npt.ArrayLike, b: npt.ArrayLike) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_three_turns_by_hand() -> None:
    result = estimate(BATCH, HALVES)
    low_2 = 4.0 - 30.0
    high_2 = 30.0 - 3.0 + 0.5 * low_2  # 14
    switch_2 = 3.0 - 7.0 + 0.5 * high_2  # 3
    low_1 = 2.0 + 0.5 * 7.0 - 20.0 + 0.25 * switch_2  # -13.75
    switch_1 = -1.0 + 20.0 - 6.0 + 0.5 * low_1  # 6.125
    low_0 = 1.0 + 0.5 * 6.0 - 10.0 + 0.25 * switch_1  # -4.46875
    high_0 = 10.0 - 2.0 + 0.5 * low_0
    np.testing.assert_allclose(result.low, [low_0, low_1, low_2])
    np.testing.assert_allclose(result.high, [high_0, 0.0, high_2])
    np.testing.assert_allclose(result.switch, [0.0, switch_1, switch_2])
    np.testing.assert_allclose(result.target_low, [low_0 + 10.0, low_1 + 20.0, low_2 + 30.0])
    np.testing.assert_allclose(result.target_high, [high_0 + 2.0, 0.0, high_2 + 3.0])
    np.testing.assert_allclose(result.target_switch, [high_0 + 2.0, switch_1 + 6.0, switch_2 + 7.0])
    np.testing.assert_array_equal(result.target_high_mask, [True, False, True])


@pytest.mark.parametrize(("mode", "after"), [("none", 0.0), ("last", 7.0), ("final", 8.0)])
def test_each_bootstrap_by_hand(mode: str, after: float) -> None:
    result = estimate(BATCH, HALVES.model_copy(update={"bootstrap": mode}))
    assert result.low[2] == pytest.approx(4.0 + 0.5 * after - 30.0)


@pytest.mark.parametrize(("mode", "after"), [("none", 0.0), ("last", 3.0), ("final", 40.0)])
def test_each_bootstrap_with_two_heads(mode: str, after: float) -> None:
    batch = replace(BATCH, value_switch=None, final_value_switch=None)
    result = estimate(batch, HALVES.model_copy(update={"bootstrap": mode}))
    assert result.low[2] == pytest.approx(4.0 + 0.5 * after - 30.0)


def test_with_two_heads_a_turn_is_entered_at_the_value_of_what_was_decided() -> None:
    result = estimate(replace(BATCH, value_switch=None), HALVES)
    low_2 = 4.0 - 30.0
    high_2 = 30.0 - 3.0 + 0.5 * low_2  # 14
    low_1 = 2.0 + 0.5 * 3.0 - 20.0 + 0.25 * high_2  # -13
    low_0 = 1.0 + 0.5 * (20.0 - 1.0) - 10.0 + 0.25 * low_1
    np.testing.assert_allclose(result.low, [low_0, low_1, low_2])
    assert result.switch is None
    assert result.target_switch is None


def test_the_decision_of_turn_0_earns_only_its_own_penalty() -> None:
    kept = estimate(replace(BATCH, switch=[False, False, True]), HALVES)
    given_ = estimate(BATCH, HALVES)
    assert (kept.switch[0], given_.switch[0]) == (-1.0, 0.0)
    assert kept.target_switch[0] == kept.target_high[0] - 1.0
    np.testing.assert_array_equal(kept.low, given_.low)
    np.testing.assert_array_equal(kept.high, given_.high)


@given(strategies.batches, strategies.settings, st.booleans())
@hypothesis_settings(deadline=None, max_examples=150)
def test_agrees_with_the_literal_implementation(
    batch: TurnBatch, settings: EstimatorSettings, two_heads: bool
) -> None:
    settings = settings.model_copy(update={"estimator": "dgae"})
    theirs = literal_dgae(episodes_of(batch), settings, two_heads=two_heads)
    ours = estimate(replace(batch, value_switch=None) if two_heads else batch, settings)
    for level in ("low", "high", "target_low", "target_high"):
        close(getattr(ours, level), getattr(theirs, level))
    if not two_heads:
        close(ours.switch, theirs.switch)
        close(ours.target_switch, theirs.target_switch)


def chained(reward: np.ndarray, value: np.ndarray, discount: np.ndarray, lam: float) -> np.ndarray:
    """GAE of one terminated chain of steps, as the solution of its linear equations."""
    following = np.append(value[1:], 0.0)
    delta = reward + discount * following - value
    return np.asarray(np.linalg.solve(np.eye(len(value)) - np.diag(lam * discount[:-1], k=1), delta))


@given(strategies.seeds, st.integers(1, 12), strategies.gammas, strategies.fractions)
@few
def test_always_switching_is_gae_over_an_alternating_chain(
    seed: int, turns: int, gamma: float, lam: float
) -> None:
    batch = random_batch(seed, [turns], switch_share=1.1, terminated=True)
    result = estimate(batch, DGAE.model_copy(update={"gamma": gamma, "lambda_decision": lam}))
    # Per turn: decision, subgoal, action; nothing is decided on turn 0.
    value = np.stack([batch.value_switch, batch.value_high, batch.value_low], axis=1).ravel()[1:]
    reward = np.stack([0 * batch.reward, 0 * batch.reward, batch.reward], axis=1).ravel()[1:]
    discount = np.tile([1.0, 1.0, gamma], turns)[1:]
    steps = np.append(0.0, chained(reward, value, discount, lam)).reshape(turns, 3)
    close(np.stack([result.switch, result.high, result.low], axis=1), steps)


@given(strategies.seeds, st.integers(1, 12), strategies.gammas, strategies.fractions)
@few
def test_one_segment_with_two_heads_is_flat_gae(seed: int, turns: int, gamma: float, lam: float) -> None:
    batch = random_batch(seed, [turns], switch_share=0.0, terminated=True)
    settings = DGAE.model_copy(update={"gamma": gamma, "lambda_decision": lam, "lambda_turn": lam})
    two_heads = estimate(replace(batch, value_switch=None), settings)
    close(two_heads.low, estimate(batch, settings.model_copy(update={"estimator": "gae"})).low)


@given(strategies.batches, strategies.gammas)
@few
def test_with_lambda_zero_each_step_is_one_difference(batch: TurnBatch, gamma: float) -> None:
    result = estimate(batch, DGAE.model_copy(update={"gamma": gamma, "lambda_decision": 0.0}))
    close(result.high, np.where(result.segment_start, batch.value_low - batch.value_high, 0.0))
    for t in range(batch.turns):
        if t not in batch.episode_offsets:
            chosen = batch.value_high if batch.switch[t] else batch.value_low
            close(result.switch[t], chosen[t] - batch.value_switch[t])
            close(
                result.low[t - 1] + batch.value_low[t - 1],
                batch.reward[t - 1] + gamma * batch.value_switch[t],
            )


@given(strategies.batches, strategies.settings, st.booleans())
@few
def test_a_value_at_a_decision_that_was_never_met_is_not_read(
    batch: TurnBatch, settings: EstimatorSettings, two_heads: bool
) -> None:
    settings = settings.model_copy(update={"estimator": "dgae"})
    batch = replace(batch, value_switch=None) if two_heads else batch
    before = estimate(batch, settings)
    unread = np.where(before.segment_start, batch.value_high, 1e6)
    after = estimate(replace(batch, value_high=unread), settings)
    for level in ("low", "high", "target_low", "target_high"):
        np.testing.assert_array_equal(getattr(after, level), getattr(before, level))
