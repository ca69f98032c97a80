"""The tabular task: errands on a ring of places. A planner names a place, and an executor walks there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Floats

STEPS = (-1, 0, 1)
"""Change of place by each of the three actions."""
SLIP = 0.1
"""Probability that an action is replaced by a random one."""
REWARD = 10.0
"""Reward of the last errand, which ends the episode; the others have none."""


@dataclass(frozen=True, eq=False)
class Task:
    """A task with S = errands * places states; state = errand * places + place. Subgoals are the G places."""

    places: int
    targets: tuple[int, ...]
    """Place of each errand, in the order in which they must be done."""
    horizon: int
    """Number of turns, H, after which an episode ends without success."""
    transition: Floats
    """[S, A, S] probability of the next state; the rest to 1 is the probability that the episode ends."""
    reward: Floats
    """[S, A] expected reward."""

    @property
    def states(self) -> int:
        """Number of states, S."""
        return self.places * len(self.targets)


def errands(places: int, number: int, horizon: int) -> Task:
    """A task whose errands are alternately one and two places apart; an episode begins at place 0."""
    targets = tuple(int(place) % places for place in np.cumsum(1 + np.arange(number) % 2))
    states = places * number
    transition, reward = np.zeros((states, len(STEPS), states)), np.zeros((states, len(STEPS)))
    moves = (1 - SLIP) * np.eye(len(STEPS)) + SLIP / len(STEPS)
    for state in range(states):
        errand, place = divmod(state, places)
        for action in range(len(STEPS)):
            for step, probability in zip(STEPS, moves[action], strict=True):
                arrived = (place + step) % places
                reached = errand + (arrived == targets[errand])
                if reached == number:
                    reward[state, action] += probability * REWARD
                else:
                    transition[state, action, reached * places + arrived] += probability
    return Task(places, targets, horizon, transition, reward)


@dataclass(frozen=True, eq=False)
class Policies:
    """Probabilities of all choices, from tables of logits; the last logit of each softmax is fixed at 0."""

    decision: Floats
    """[S, G] probability of SWITCH, by state and current subgoal; turn 0 is always SWITCH."""
    subgoal: Floats
    """[S, G] probability of each subgoal, on SWITCH."""
    action: Floats
    """[S, G, A] probability of each action."""


def softmax(free: Floats) -> Floats:
    """[..., K] probabilities from the free logits [..., K - 1]."""
    logits = np.concatenate([free, np.zeros((*free.shape[:-1], 1))], axis=-1)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities


def policies_of(decision: Floats, subgoal: Floats, action: Floats) -> Policies:
    """The policies with these free logits: [S, G], [S, G - 1], [S, G, A - 1]."""
    return Policies(1 / (1 + np.exp(-decision)), softmax(subgoal), softmax(action))


Logits = tuple[Floats, Floats, Floats]


def half_trained(task: Task, segment_length: float, seed: int) -> Logits:
    """The logits of policies that are better than chance, but far from perfect.

    The planner prefers the right subgoal, and the executor steps towards it. SWITCH has a probability of
    about 1 / `segment_length` on every turn. All logits have noise.
    """
    rng = np.random.default_rng(seed)
    goals = task.places
    errand, place = np.divmod(np.arange(task.states), goals)
    target = np.asarray(task.targets)[errand]
    subgoal = 1.0 * (np.arange(goals) == target[:, None]) + 0.5 * rng.normal(size=(task.states, goals))
    distance = (np.arange(goals) - place[:, None] + goals // 2) % goals - goals // 2
    towards = np.sign(distance)[:, :, None] == np.asarray(STEPS)
    action = 1.0 * towards + 0.5 * rng.normal(size=(*towards.shape,))
    odds = -np.log(max(segment_length - 1, 1e-3))
    decision = odds + 0.3 * rng.normal(size=(task.states, goals))
    return decision, subgoal[:, :-1] - subgoal[:, -1:], action[:, :, :-1] - action[:, :, -1:]
