"""Episodes of the tabular task, and the gradients that an estimator makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hae import Advantages, TurnBatch
from hae.arrays import Bools, Floats, Ints
from studies.tabular.task import REWARD, Policies, Task

Critic = Callable[["Rollouts"], tuple[Floats, Floats, Floats | None]]
"""Reads V_low, V_high and V_switch (None with two heads), [T] each, at the turns of some rollouts."""
GROUP = 8
"""Episodes that the group-relative estimators compare; all play the same task."""


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N episodes, T turns in all; the turns of an episode follow each other."""

    offsets: Ints
    """[N + 1]."""
    turn: Ints
    """[T] 0, 1, ... in the episode."""
    state: Ints
    """[T]."""
    held: Ints
    """[T] the subgoal before the decision; of no meaning on turn 0."""
    subgoal: Ints
    """[T] the subgoal after it."""
    switch: Bools
    """[T]."""
    action: Ints
    """[T]."""
    reward: Floats
    """[T]."""
    success: Bools
    """[N] whether the last errand was run within the horizon."""

    @property
    def episodes(self) -> int:
        """N."""
        return len(self.offsets) - 1


def _drawn(probabilities: Floats, rng: np.random.Generator) -> Ints:
    """[N] one index for each row of [N, K]."""
    edges = probabilities.cumsum(axis=1)[:, :-1]
    return np.asarray((rng.random(len(probabilities))[:, None] > edges).sum(axis=1))


def sample(task: Task, policies: Policies, episodes: int, rng: np.random.Generator) -> Rollouts:
    """Plays `episodes` episodes side by side."""
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
    """With the critic's values. The step limit is the task's own end unless `step_limit_truncates`."""
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
    """[N / GROUP, free logits of the level] each: the mean over a group's episodes of the sum over turns of
    score times advantage. Groups are independent of each other whatever the estimator compares."""

    subgoal: Floats
    decision: Floats
    """0 with two value heads, where decisions have no advantage."""
    action: Floats


def group_gradients(
    task: Task, policies: Policies, rollouts: Rollouts, advantages: Advantages
) -> GroupGradients:
    """What each group adds to the policy gradient; their mean is what a batch estimates.

    Raises:
        ValueError: where N is not a multiple of GROUP.
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
    """[N, R * (K - 1)]: (1[choice = k] - table[row, k]) * advantage, by group and row of `table`."""
    rows, choices = table.shape
    gradient = np.empty((groups, rows, choices - 1))
    index = group * rows + row
    for k in range(choices - 1):
        weights = ((choice == k) - table[row, k]) * advantage
        gradient[:, :, k] = np.bincount(index, weights, minlength=groups * rows).reshape(groups, rows)
    return gradient.reshape(groups, -1)
