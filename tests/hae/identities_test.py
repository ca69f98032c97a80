"""Identities that hold for any rewards and values (the equations of docs/hae.md)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hae import Advantages, EstimatorSettings, TurnBatch, estimate
from tests.hae import strategies
from tests.hae.strategies import PLAIN, random_batch

LEVELS = ("low", "high", "switch", "target_low", "target_high", "target_switch")
few = hypothesis_settings(deadline=None, max_examples=60)


def close(a: npt.ArrayLike, b: npt.ArrayLike) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def returns(batch: TurnBatch, gamma: float) -> np.ndarray:
    """[T] the discounted rewards from each turn to the end of its episode."""
    returned = batch.reward.copy()
    for t in reversed(range(batch.turns)):
        if t + 1 not in batch.episode_offsets:
            returned[t] += gamma * returned[t + 1]
    return returned


def decided_turns(batch: TurnBatch) -> np.ndarray:
    """[T] False on turn 0 of each episode, where SWITCH is given."""
    decided = np.ones(batch.turns, dtype=np.bool_)
    decided[batch.episode_offsets[:-1]] = False
    return decided


def gae(reward: np.ndarray, value: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """Plain GAE of one terminated episode, as the sum of its definition."""
    following = np.append(value[1:], 0.0)
    delta = reward + gamma * following - value
    turns = len(reward)
    return np.array([sum((gamma * lam) ** (i - t) * delta[i] for i in range(t, turns)) for t in range(turns)])


@given(strategies.batches)
@few
def test_1_low_telescopes_to_segment_return_and_next_value(batch: TurnBatch) -> None:
    result = estimate(batch, PLAIN)
    starts = np.flatnonzero(result.segment_start)
    for k, begin in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else batch.turns
        at_end = end in batch.episode_offsets
        next_high = 0.0 if at_end else batch.value_high[end]
        for t in range(begin, end):
            close(result.low[t], batch.reward[t:end].sum() + next_high - batch.value_low[t])


@given(strategies.seeds, st.integers(1, 15), strategies.fractions)
@few
def test_2_one_segment_is_plain_gae_with_the_low_value(seed: int, turns: int, lam: float) -> None:
    batch = random_batch(seed, [turns], switch_share=0.0, terminated=True)
    settings = PLAIN.model_copy(update={"gamma": 0.9, "lambda_turn": lam})
    result = estimate(batch, settings)
    close(result.low, gae(batch.reward, batch.value_low, 0.9, lam))
    close(result.low, estimate(batch, settings.model_copy(update={"estimator": "gae"})).low)


@given(strategies.seeds, st.integers(1, 15), strategies.fractions)
@few
def test_3_a_segment_a_turn_is_plain_gae_with_the_high_value(seed: int, turns: int, lam: float) -> None:
    batch = random_batch(seed, [turns], switch_share=1.1, terminated=True)
    settings = PLAIN.model_copy(update={"gamma": 0.9, "lambda_segment": lam})
    close(estimate(batch, settings).high, gae(batch.reward, batch.value_high, 0.9, lam))


@given(strategies.seeds, strategies.lengths, st.sampled_from([0.5, 0.9, 1.0]))
@few
def test_4_without_values_high_is_the_discounted_return(seed: int, lengths: list[int], gamma: float) -> None:
    batch = random_batch(seed, lengths, values=0.0)
    result = estimate(batch, PLAIN.model_copy(update={"gamma": gamma}))
    for e in range(batch.episodes):
        end = batch.episode_offsets[e + 1]
        for t in range(batch.episode_offsets[e], end):
            expected = (gamma ** np.arange(end - t)) @ batch.reward[t:end]
            close(result.high[t], expected if result.segment_start[t] else 0.0)


@given(strategies.seeds, st.integers(1, 8), strategies.settings, st.floats(-5, 5))
@few
def test_5_a_constant_shifts_one_turn_episodes_by_itself(
    seed: int, episodes: int, settings: EstimatorSettings, c: float
) -> None:
    batch = random_batch(seed, [1] * episodes)
    before, after = estimate(batch, settings), estimate(replace(batch, reward=batch.reward + c), settings)
    for level in LEVELS:
        close(getattr(after, level), getattr(before, level) + c)


@given(strategies.batches, strategies.gammas, st.sampled_from(["hae", "gae", "dgae"]))
@few
def test_with_all_lambdas_one_each_advantage_is_the_return_less_the_own_value(
    batch: TurnBatch, gamma: float, estimator: str
) -> None:
    ones = {"lambda_turn": 1.0, "lambda_segment": 1.0, "lambda_boundary": 1.0, "lambda_decision": 1.0}
    result = estimate(batch, PLAIN.model_copy(update={"estimator": estimator, "gamma": gamma, **ones}))
    returned, start = returns(batch, gamma), result.segment_start
    close(result.low, returned - batch.value_low)
    close(result.high, np.where(start, returned - batch.value_high, 0.0))
    decided = decided_turns(batch) if estimator == "dgae" else slice(None)
    close(result.switch[decided], (returned - batch.value_switch)[decided])


@given(strategies.batches, strategies.settings, st.sampled_from(["hae", "gae", "dgae"]))
@few
def test_targets_with_lambda_one_are_the_return_whatever_the_other_lambdas_are(
    batch: TurnBatch, settings: EstimatorSettings, estimator: str
) -> None:
    kept = {"gamma": settings.gamma, "lambda_turn": settings.lambda_turn, "lambda_target": 1.0}
    kept["lambda_segment"] = settings.lambda_segment
    result = estimate(batch, PLAIN.model_copy(update={**kept, "estimator": estimator}))
    returned = returns(batch, settings.gamma)
    close(result.target_low, returned)
    close(result.target_switch, returned)
    close(result.target_high, np.where(result.target_high_mask, returned, 0.0))


@given(strategies.batches, strategies.settings, st.sampled_from(["hae", "gae", "dgae"]))
@few
def test_lambda_target_leaves_the_advantages_alone(
    batch: TurnBatch, settings: EstimatorSettings, estimator: str
) -> None:
    settings = settings.model_copy(update={"estimator": estimator})
    own = estimate(batch, settings)
    other = estimate(batch, settings.model_copy(update={"lambda_target": None}))
    for level in ("low", "high", "switch"):
        np.testing.assert_array_equal(getattr(own, level), getattr(other, level))


@given(strategies.batches, strategies.settings, strategies.fractions)
@few
def test_lambda_boundary_adds_that_share_of_the_next_segments_advantage(
    batch: TurnBatch, settings: EstimatorSettings, share: float
) -> None:
    hipers = estimate(batch, settings.model_copy(update={"lambda_boundary": 0.0}))
    ours = estimate(batch, settings.model_copy(update={"lambda_boundary": share}))
    np.testing.assert_array_equal(ours.high, hipers.high)
    gamma, decay = settings.gamma, settings.gamma * settings.lambda_turn
    starts = np.flatnonzero(hipers.segment_start)
    for k, begin in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else batch.turns
        ahead = 0.0 if end in batch.episode_offsets else share * hipers.high[end]
        left = np.arange(end - begin)[::-1]
        close(ours.low[begin:end], hipers.low[begin:end] + gamma * decay**left * ahead)
        close(ours.switch[begin:end], hipers.switch[begin:end] + gamma ** (left + 1) * ahead)


def _reordered(batch: TurnBatch, order: list[int]) -> tuple[TurnBatch, np.ndarray]:
    """The batch of those episodes, and the turns of the old batch that it is made of."""
    spans = [np.arange(batch.episode_offsets[e], batch.episode_offsets[e + 1]) for e in order]
    turns = np.concatenate(spans)
    per_turn = ("reward", "switch", "value_low", "value_high", "value_switch", "action_valid")
    per_episode = ("terminated", "final_value_low", "final_value_high", "final_value_switch")
    return TurnBatch(
        episode_offsets=np.concatenate(([0], np.cumsum([len(span) for span in spans]))),
        **{name: getattr(batch, name)[turns] for name in per_turn},
        **{name: getattr(batch, name)[order] for name in per_episode},
    ), turns


@given(strategies.batches, strategies.settings, st.sampled_from(["hae", "gae", "dgae"]), st.data())
@few
def test_6_order_and_company_change_nothing(
    batch: TurnBatch, settings: EstimatorSettings, estimator: str, data: st.DataObject
) -> None:
    settings = settings.model_copy(update={"estimator": estimator})
    order = data.draw(st.permutations(range(batch.episodes)))
    chosen = order[: data.draw(st.integers(1, len(order)))]
    other, turns = _reordered(batch, chosen)
    before, after = estimate(batch, settings), estimate(other, settings)
    for level in LEVELS:
        np.testing.assert_array_equal(getattr(after, level), getattr(before, level)[turns])


def test_6_a_copied_last_turn_would_move_the_high_level_by_the_whole_reward() -> None:
    """Why batches are filled up after this library, never before it."""
    once = TurnBatch([0, 2], [0.0, 10.0], [True, False], [True], [0.0] * 2, [0.0] * 2)
    copied = TurnBatch([0, 3], [0.0, 10.0, 10.0], [True, False, False], [True], [0.0] * 3, [0.0] * 3)
    assert estimate(copied, PLAIN).high[0] - estimate(once, PLAIN).high[0] == pytest.approx(10.0)


@given(strategies.batches, strategies.settings)
@few
def test_targets_are_advantages_plus_values(batch: TurnBatch, settings: EstimatorSettings) -> None:
    result: Advantages = estimate(batch, settings.model_copy(update={"lambda_target": None}))
    close(result.target_low, result.low + batch.value_low)
    close(result.target_switch, result.switch + batch.value_switch)
    start = result.segment_start
    close(result.target_high[start], result.high[start] + batch.value_high[start])
