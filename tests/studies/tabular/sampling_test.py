"""Sampled episodes keep the rules of the task, and gradients add up by group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hae import Advantages
from studies.tabular.critics import TableCritic
from studies.tabular.exact import exact_values
from studies.tabular.sampling import GROUP, Rollouts, _drawn, group_gradients, sample, turn_batch
from studies.tabular.task import REWARD, errands, half_trained, policies_of

TASK = errands(places=4, number=2, horizon=10)
POLICIES = policies_of(*half_trained(TASK, 3.0, seed=0))
ROLLOUTS = sample(TASK, POLICIES, 400, np.random.default_rng(0))
FIRSTS, LASTS = ROLLOUTS.offsets[:-1], ROLLOUTS.offsets[1:] - 1
LATER = np.setdiff1d(np.arange(len(ROLLOUTS.turn)), FIRSTS)


def test_what_is_certain_is_drawn() -> None:
    probabilities = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for seed in range(5):
        assert _drawn(probabilities, np.random.default_rng(seed)).tolist() == [1, 0, 2]


def test_each_choice_is_drawn_as_often_as_it_is_likely() -> None:
    drawn = _drawn(np.tile([0.2, 0.5, 0.3], (20_000, 1)), np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.2, 0.5, 0.3], atol=0.02)


def test_turns_count_from_zero_in_each_episode() -> None:
    assert ROLLOUTS.episodes == 400
    lengths = np.diff(ROLLOUTS.offsets)
    assert ROLLOUTS.turn.tolist() == [turn for length in lengths for turn in range(length)]
    assert lengths.min() >= 1 and lengths.max() <= TASK.horizon


def test_an_episode_begins_at_place_zero_with_a_new_subgoal() -> None:
    assert (ROLLOUTS.state[FIRSTS] == 0).all()
    assert ROLLOUTS.switch[FIRSTS].all()


def test_a_kept_subgoal_is_the_one_that_was_held() -> None:
    assert (ROLLOUTS.held[LATER] == ROLLOUTS.subgoal[LATER - 1]).all()
    kept = ~ROLLOUTS.switch
    assert (ROLLOUTS.subgoal[kept] == ROLLOUTS.held[kept]).all()
    assert 0 < kept.sum() < len(kept)


def test_states_follow_each_other_as_the_task_allows() -> None:
    steps = TASK.transition[ROLLOUTS.state[LATER - 1], ROLLOUTS.action[LATER - 1], ROLLOUTS.state[LATER]]
    assert (steps > 0).all()


def test_only_a_success_is_rewarded_and_everything_else_lasts_to_the_horizon() -> None:
    np.testing.assert_array_equal(ROLLOUTS.reward[LASTS], np.where(ROLLOUTS.success, REWARD, 0))
    assert (np.delete(ROLLOUTS.reward, LASTS) == 0).all()
    assert (np.diff(ROLLOUTS.offsets)[~ROLLOUTS.success] == TASK.horizon).all()
    assert 0.1 < ROLLOUTS.success.mean() < 0.95


def test_a_generator_says_everything() -> None:
    first, again, other = (sample(TASK, POLICIES, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.action, again.action)
    assert not np.array_equal(first.offsets, other.offsets)


def test_the_step_limit_is_an_end_or_a_truncation() -> None:
    critic = TableCritic(exact_values(TASK, POLICIES, 1.0, 0.0))
    whole = turn_batch(ROLLOUTS, critic)
    assert whole.terminated.all()
    assert whole.group is not None and whole.group.tolist() == [n // GROUP for n in range(400)]
    cut = turn_batch(ROLLOUTS, critic, step_limit_truncates=True)
    np.testing.assert_array_equal(cut.terminated, ROLLOUTS.success)


def one_turn(subgoals: list[int], actions: list[int]) -> Rollouts:
    """Episodes of one turn on two places, which begin at place 0."""
    count = len(subgoals)
    zeros = np.zeros(count, dtype=np.int64)
    return Rollouts(
        offsets=np.arange(count + 1),
        turn=zeros,
        state=zeros,
        held=zeros,
        subgoal=np.array(subgoals),
        switch=np.ones(count, dtype=np.bool_),
        action=np.array(actions),
        reward=np.zeros(count),
        success=np.zeros(count, dtype=np.bool_),
    )


def advantages(high: list[float], low: list[float]) -> Advantages:
    starts = np.ones(len(high), dtype=np.bool_)
    return Advantages(starts, np.array(low), np.array(high), None, None, None, None, starts)


def test_a_group_adds_score_times_advantage() -> None:
    task = errands(2, 1, horizon=1)
    uniform = policies_of(np.zeros((2, 2)), np.zeros((2, 1)), np.zeros((2, 2, 2)))
    rollouts = one_turn([0] * 4 + [1] * 4, [0, 1, 2, 2, 2, 2, 2, 2])
    found = group_gradients(task, uniform, rollouts, advantages([2.0] * 4 + [1.0] * 4, [3.0] * 8))
    # Subgoal 0 at place 0: four times (1 - 1/2) · 2 and four times (0 - 1/2) · 1, over 8 episodes.
    np.testing.assert_allclose(found.subgoal, [[(4 - 2) / 8, 0]])
    # Actions with subgoal 0: (1 - 4/3) · 3 / 8 for each free logit; with subgoal 1: -4/3 · 3 / 8.
    np.testing.assert_allclose(found.action, [[-1 / 8, -1 / 8, -1 / 2, -1 / 2, 0, 0, 0, 0]])
    np.testing.assert_allclose(found.decision, [[0, 0, 0, 0]], err_msg="nothing is decided on turn 0")


def test_groups_are_kept_apart() -> None:
    task = errands(2, 1, horizon=1)
    uniform = policies_of(np.zeros((2, 2)), np.zeros((2, 1)), np.zeros((2, 2, 2)))
    rollouts = one_turn([0] * 16, [0] * 16)
    found = group_gradients(task, uniform, rollouts, advantages([1.0] * 8 + [3.0] * 8, [0.0] * 16))
    np.testing.assert_allclose(found.subgoal, [[0.5, 0], [1.5, 0]])
    with pytest.raises(ValueError, match="15 episodes cannot be divided into groups of 8"):
        group_gradients(task, uniform, one_turn([0] * 15, [0] * 15), advantages([1.0] * 15, [0.0] * 15))


def test_decisions_learn_from_the_switch_advantage_after_turn_zero() -> None:
    task = errands(2, 1, horizon=2)
    decision = np.array([[0.0, np.log(3)], [0.0, 0.0]])
    policies = policies_of(decision, np.zeros((2, 1)), np.zeros((2, 2, 2)))
    rollouts = replace(
        one_turn([1] * 16, [0] * 16),
        offsets=np.arange(0, 17, 2),
        turn=np.tile([0, 1], 8),
        held=np.ones(16, dtype=np.int64),
        switch=np.array([True, True] * 2 + [True, False] * 6),
        success=np.zeros(8, dtype=np.bool_),
    )
    given = replace(advantages([0.0] * 16, [0.0] * 16), switch=np.full(16, 4.0))
    found = group_gradients(task, policies, rollouts, given)
    # With subgoal 1 held, SWITCH has 3/4: twice (1 - 3/4) · 4 and six times (0 - 3/4) · 4, over 8 episodes.
    np.testing.assert_allclose(found.decision, [[0, (2 - 18) / 8, 0, 0]])
