"""Samples episodes of the tabular task, and computes policy gradients from an estimator's advantages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hae import Advantages, TurnBatch
from hae.arrays import Bools, Floats, Ints
from studies.tabular.task import REWARD, Policies, Task

Critic = Callable[["Rollouts"], tuple[Floats, Floats, Floats | None]]
"""Function that returns V_low, V_high and V_switch (None with two heads), [T] each, for rollouts."""
GROUP = 8
"""Number of episodes in a group, for estimators that compare episodes; all play the same task."""


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N episodes with T turns in all, one episode after the other."""

    offsets: Ints
    """[N + 1] first turn of each episode, then T."""
    turn: Ints
    """[T] number of the turn in its episode, from 0."""
    state: Ints
    """[T] state before the turn."""
    held: Ints
    """[T] subgoal before the decision; without meaning on turn 0."""
    subgoal: Ints
    """[T] subgoal after the decision."""
    switch: Bools
    """[T] whether the decision was SWITCH."""
    action: Ints
    """[T] action."""
    reward: Floats
    """[T] reward."""
    success: Bools
    """[N] whether the last errand was done within the horizon."""

    @property
    def episodes(self) -> int:
        """Number of episodes, N."""
        return len(self.offsets) - 1


def _drawn(probabilities: Floats, rng: np.random.Generator) -> Ints:
    """[N] indices, one drawn from each row of the probabilities [N, K]."""
    edges = probabilities.cumsum(axis=1)[:, :-1]
    return np.asarray((rng.random(len(probabilities))[:, None] > edges).sum(axis=1))


def sample(task: Task, policies: Policies, episodes: int, rng: np.random.Generator) -> Rollouts:
    """Plays `episodes` episodes at the same time."""
    ended = task.states
    outcomes = np.concatenate([task.transition, 1 - task.transition.sum(axis=2, keepdims=True)], axis=2)
    playing = np.arange(episodes)
    state, held = np.zeros(episodes, dtype=np.int64), np.zeros(episodes, dtype=np.int64)
    success = np.zeros(episodes, dtype=np.bool_)
    turns = []
    for t in range(task.horizon):
        switch = (rng.random(len(playing)) < policies.decision[state, held]) | (t == 0)
        subgoal = np.where(switch, _drawn(policies.subgoal[state], rng), held)
        action = _drawn(policies.action[state, subgoal], rng)
        following = _drawn(outcomes[state, action], rng)
        won = following == ended
        turns.append((playing, np.full(len(playing), t), state, held, subgoal, switch, action, won))
        success[playing[won]] = True
        playing, state, held = playing[~won], following[~won], subgoal[~won]
    episode, *columns = (np.concatenate(column) for column in zip(*turns, strict=True))
    order = np.argsort(episode, kind="stable")
    turn, state, held, subgoal, switch, action, won = (column[order] for column in columns)
    offsets = np.searchsorted(episode[order], np.arange(episodes + 1))
    reward = np.where(won, REWARD, 0.0)
    return Rollouts(offsets, turn, state, held, subgoal, switch, action, reward, success)


def turn_batch(rollouts: Rollouts, critic: Critic, *, step_limit_truncates: bool = False) -> TurnBatch:
    """The rollouts as a batch with the critic's values.

    Episodes that reach the step limit count as terminated, or as truncated if `step_limit_truncates`.
    """
    low, high, switch = critic(rollouts)
    ended = rollouts.success if step_limit_truncates else np.ones(rollouts.episodes, dtype=np.bool_)
    return TurnBatch(
        episode_offsets=rollouts.offsets,
        reward=rollouts.reward,
        switch=rollouts.switch,
        terminated=ended,
        value_low=low,
        value_high=high,
        value_switch=switch,
        group=np.arange(rollouts.episodes) // GROUP,
        state=rollouts.state,
    )


@dataclass(frozen=True, eq=False)
class GroupGradients:
    """The policy gradients of each group, [N / GROUP, free logits of the level] each.

    A gradient is the sum over turns of score times advantage, averaged over the group's episodes. Groups are
    independent of each other for every estimator, also for those that compare episodes.
    """

    subgoal: Floats
    decision: Floats
    """Gradient of the decisions; 0 with two value heads, because decisions then have no advantage."""
    action: Floats


def group_gradients(
    task: Task, policies: Policies, rollouts: Rollouts, advantages: Advantages
) -> GroupGradients:
    """The policy gradient of each group; the mean of several is the estimate of a batch.

    Raises:
        ValueError: N is not a multiple of GROUP.
    """
    groups, rest = divmod(rollouts.episodes, GROUP)
    if rest:
        raise ValueError(f"{rollouts.episodes} episodes cannot be divided into groups of {GROUP}")
    group = np.repeat(np.arange(rollouts.episodes) // GROUP, np.diff(rollouts.offsets))
    starts, decided = advantages.segment_start, rollouts.turn > 0
    cell = rollouts.state * task.places + rollouts.subgoal
    held = (rollouts.state * task.places + rollouts.held)[decided]
    decision = np.stack([policies.decision.ravel(), 1 - policies.decision.ravel()], axis=1)
    action = policies.action.reshape(-1, policies.action.shape[-1])
    switch = np.zeros(len(group)) if advantages.switch is None else advantages.switch

    def scatter(where: Bools, row: Ints, choice: Ints, table: Floats, advantage: Floats) -> Floats:
        return _scattered(group[where], groups, row, choice, table, advantage[where]) / GROUP

    return GroupGradients(
        subgoal=scatter(
            starts, rollouts.state[starts], rollouts.subgoal[starts], policies.subgoal, advantages.high
        ),
        decision=scatter(decided, held, np.where(rollouts.switch[decided], 0, 1), decision, switch),
        action=scatter(np.ones_like(decided), cell, rollouts.action, action, advantages.low),
    )


def _scattered(group: Ints, groups: int, row: Ints, choice: Ints, table: Floats, advantage: Floats) -> Floats:
    """[groups, R * (K - 1)] sums of (1[choice = k] - table[row, k]) * advantage, by group, row and k."""
    rows, choices = table.shape
    gradient = np.empty((groups, rows, choices - 1))
    index = group * rows + row
    for k in range(choices - 1):
        weights = ((choice == k) - table[row, k]) * advantage
        gradient[:, :, k] = np.bincount(index, weights, minlength=groups * rows).reshape(groups, rows)
    return gradient.reshape(groups, -1)
