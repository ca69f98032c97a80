"""`bazel run //hae:example_loop`: a small but complete training loop that uses `hae`.

A corridor of seven cells has a key at its left end and a door at its right end. An episode begins in the
middle and is won by going through the door with the key, within 24 turns. At each turn the planner keeps its
subgoal or writes one of two, then the executor steps left or right. The executor sees its cell and the
subgoal but not whether the key was found, so it depends on the planner. All policies and values are tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hae import Advantages, Episode, EstimatorSettings, TurnBatch, estimate

CELLS, KEY, DOOR, MIDDLE = 7, 0, 6, 3
STATES, SUBGOALS = 2 * CELLS, 2
TURN_LIMIT = 24
EPISODES = 64
"""Episodes in a batch."""
POLICY_RATE, VALUE_RATE = 0.02, 0.3
"""Learning rates."""


class Softmax:
    """A policy that makes one choice in each state; a row of logits per state."""

    def __init__(self, rows: int, choices: int) -> None:
        self._logits = np.zeros((rows, choices))

    def sample(self, row: int, rng: np.random.Generator) -> int:
        return int(rng.choice(self._logits.shape[1], p=self._probabilities()[row]))

    def learn(
        self, row: NDArray[np.int64], choice: NDArray[np.int64], advantage: NDArray[np.float64]
    ) -> None:
        """One policy-gradient step: the sum over all choices of advantage times score."""
        score = np.eye(self._logits.shape[1])[choice] - self._probabilities()[row]
        np.add.at(self._logits, row, POLICY_RATE * advantage[:, None] * score)

    def _probabilities(self) -> NDArray[np.float64]:
        weights = np.exp(self._logits)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class Table:
    """A value per state, which moves towards the mean of its targets."""

    def __init__(self, rows: int) -> None:
        self._values = np.zeros(rows)

    def __call__(self, row: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._values[row]

    def learn(self, row: NDArray[np.int64], target: NDArray[np.float64]) -> None:
        count = np.bincount(row, minlength=len(self._values))
        error = np.bincount(row, target - self._values[row], minlength=len(self._values))
        self._values += VALUE_RATE * error / np.maximum(count, 1)


@dataclass
class Turns:
    """The turns of one episode, in columns; a state is the cell's number, plus 7 once the key was found."""

    state: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    switch: list[int] = field(default_factory=list)
    subgoal: list[int] = field(default_factory=list)
    action: list[int] = field(default_factory=list)
    won: bool = False

    def add(self, state: int, held: int, switch: int, subgoal: int, action: int) -> None:
        columns = (self.state, self.held, self.switch, self.subgoal, self.action)
        for column, value in zip(columns, (state, held, switch, subgoal, action), strict=True):
            column.append(value)


class Agent:
    """Planner, executor and their three value functions."""

    def __init__(self) -> None:
        self.decision = Softmax(STATES * SUBGOALS, 2)
        self.subgoal = Softmax(STATES, SUBGOALS)
        self.action = Softmax(CELLS * SUBGOALS, 2)
        self.value_switch = Table(STATES * SUBGOALS)
        self.value_high = Table(STATES)
        self.value_low = Table(STATES * SUBGOALS)

    def play(self, rng: np.random.Generator) -> Turns:
        turns = Turns()
        cell, key, held = MIDDLE, False, 0
        for t in range(TURN_LIMIT):
            state = cell + CELLS * key
            switch = 1 if t == 0 else self.decision.sample(state * SUBGOALS + held, rng)
            subgoal = self.subgoal.sample(state, rng) if switch else held
            action = self.action.sample(cell * SUBGOALS + subgoal, rng)
            turns.add(state, held, switch, subgoal, action)
            cell = min(max(cell + (1 if action else -1), KEY), DOOR)
            key, held = key or cell == KEY, subgoal
            if key and cell == DOOR:
                turns.won = True
                break
        return turns

    def learn(self, played: list[Turns], settings: EstimatorSettings) -> None:
        """Learns from one batch: reads the values, computes advantages, then changes every table once."""
        state, held, switch, subgoal, action = (
            np.concatenate([getattr(turns, name) for turns in played])
            for name in ("state", "held", "switch", "subgoal", "action")
        )
        before, acting = state * SUBGOALS + held, state * SUBGOALS + subgoal
        batch = batch_of(played, self.value_low(acting), self.value_high(state), self.value_switch(before))
        advantages = estimate(batch, settings)
        starts, decided = advantages.segment_start, np.ones(batch.turns, dtype=np.bool_)
        decided[batch.episode_offsets[:-1]] = False  # On the first turn SWITCH is given, not chosen.

        assert advantages.switch is not None
        self.decision.learn(before[decided], switch[decided], advantages.switch[decided])
        self.subgoal.learn(state[starts], subgoal[starts], advantages.high[starts])
        seen = state % CELLS * SUBGOALS + subgoal  # Whether the key was found is hidden from the executor.
        self.action.learn(seen, action, advantages.low)
        self._learn_values(advantages, before, state, acting)

    def _learn_values(
        self,
        advantages: Advantages,
        before: NDArray[np.int64],
        state: NDArray[np.int64],
        acting: NDArray[np.int64],
    ) -> None:
        learns = advantages.target_high_mask
        if advantages.target_high is not None:
            self.value_high.learn(state[learns], advantages.target_high[learns])
        if advantages.target_switch is not None:
            self.value_switch.learn(before, advantages.target_switch)
        if advantages.target_low is not None:
            self.value_low.learn(acting, advantages.target_low)


def batch_of(
    played: list[Turns],
    value_low: NDArray[np.float64],
    value_high: NDArray[np.float64],
    value_switch: NDArray[np.float64],
) -> TurnBatch:
    """The episodes as a `TurnBatch`; the last turn of a won episode has reward 10, every other turn 0."""
    lengths = [len(turns.state) for turns in played]
    cuts = np.cumsum(lengths)[:-1]
    values = (np.split(value, cuts) for value in (value_low, value_high, value_switch))
    return TurnBatch.from_episodes(
        [
            Episode(
                reward=[0.0] * (len(turns.state) - 1) + [10.0 * turns.won],
                switch=turns.switch,
                terminated=turns.won,
                value_low=low,
                value_high=high,
                value_switch=switch,
                group=0,
                state=turns.state,
            )
            for turns, low, high, switch in zip(played, *values, strict=True)
        ]
    )


def train(settings: EstimatorSettings, iterations: int, seed: int) -> Iterator[float]:
    """Trains, and yields the share of episodes won in each batch."""
    rng = np.random.default_rng(seed)
    agent = Agent()
    for _ in range(iterations):
        played = [agent.play(rng) for _ in range(EPISODES)]
        yield sum(turns.won for turns in played) / EPISODES
        agent.learn(played, settings)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="example_loop", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--estimator", default="hae", help="hae (the default), gae, dgae, grpo or gigpo")
    parser.add_argument("--iterations", type=int, default=40, help="number of batches (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default %(default)s)")
    chosen = parser.parse_args(arguments)
    settings = EstimatorSettings.model_validate({"estimator": chosen.estimator})
    for number, won in enumerate(train(settings, chosen.iterations, chosen.seed)):
        if number % 5 == 0 or number == chosen.iterations - 1:
            print(f"batch {number:3d}: {won:4.0%} of {EPISODES} episodes won", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
