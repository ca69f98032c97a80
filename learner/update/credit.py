"""Turns episodes and values into the estimator's batch, and the estimator's targets into the critic's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.errors import InvalidInputError
from hae import Advantages, EstimatorSettings, TurnBatch
from trajectory.episode import Decision, Episode

Floats = npt.NDArray[np.float64]

HIGH, SWITCH, LOW = "high", "switch", "low"
HEADS = {"three": (HIGH, SWITCH, LOW), "two": (HIGH, LOW)}


@dataclass(frozen=True)
class States:
    """The prompts whose values a batch of T turns needs, and where each kind of them is in the list."""

    prompts: tuple[tuple[int, ...], ...]
    """[P] prompts: the planner's of each turn, the executor's of each turn, then the planner's and the
    executor's at the end of the F episodes that need a value after their last turn; P = 2 T + 2 F."""
    turns: int
    """Number of turns T."""
    unfinished: tuple[int, ...]
    """[F] places of those episodes in the batch."""
    episodes: npt.NDArray[np.int64]
    """[P] place of each prompt's episode in the batch."""

    @classmethod
    def of(cls, episodes: Sequence[Episode], bootstrap: str) -> States:
        """The prompts of these episodes.

        Raises:
            InvalidInputError: an episode lacks the final prompts that `bootstrap` needs.
        """
        turns = [turn for episode in episodes for turn in episode.turns]
        unfinished = tuple(
            place for place, e in enumerate(episodes) if bootstrap == "final" and not e.terminated
        )
        final_planner = [episodes[place].final_planner_prompt_ids for place in unfinished]
        final_executor = [episodes[place].final_executor_prompt_ids for place in unfinished]
        for place, planner, executor in zip(unfinished, final_planner, final_executor, strict=True):
            if not planner or not executor:
                raise InvalidInputError(
                    f"episode {episodes[place].number}: estimator.bootstrap = final needs the prompts at the "
                    f"final observation, which this episode does not contain"
                )
        planner_prompts = [turn.plan.generation.prompt_ids for turn in turns]
        executor_prompts = [turn.act.generation.prompt_ids for turn in turns]
        prompts = (*planner_prompts, *executor_prompts, *final_planner, *final_executor)
        of_turns = [place for place, episode in enumerate(episodes) for _ in episode.turns]
        owners = np.array([*of_turns, *of_turns, *unfinished, *unfinished], dtype=np.int64)
        return cls(prompts, len(turns), unfinished, owners)

    @property
    def is_executor(self) -> npt.NDArray[np.bool_]:
        """[P] whether each prompt is the executor's."""
        return np.repeat([False, True, False, True], [self.turns] * 2 + [len(self.unfinished)] * 2)

    @property
    def planner(self) -> slice:
        return slice(0, self.turns)

    @property
    def executor(self) -> slice:
        return slice(self.turns, 2 * self.turns)

    @property
    def final_planner(self) -> slice:
        return slice(2 * self.turns, 2 * self.turns + len(self.unfinished))

    @property
    def final_executor(self) -> slice:
        return slice(2 * self.turns + len(self.unfinished), None)


def turn_batch(episodes: Sequence[Episode], settings: EstimatorSettings) -> TurnBatch:
    """The estimator's batch of T turns, without values, with success scaled to `settings.success_reward`."""
    turns = [turn for episode in episodes for turn in episode.turns]
    lengths = [len(episode.turns) for episode in episodes]
    return TurnBatch(
        episode_offsets=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
        reward=settings.success_reward * np.array([turn.reward for turn in turns], dtype=np.float64),
        switch=np.array([turn.plan.decision is Decision.SWITCH for turn in turns]),
        terminated=np.array([episode.terminated for episode in episodes]),
        action_valid=np.array([turn.act.valid for turn in turns]),
        group=np.array([episode.group for episode in episodes]),
        state=np.array([state_id(turn.observation) for turn in turns], dtype=np.int64),
    )


def with_values(
    batch: TurnBatch, states: States, values: Floats, heads: tuple[str, ...], bootstrap: str
) -> TurnBatch:
    """The batch with values.

    Args:
        batch: Batch of E episodes, without values.
        states: Prompts of these episodes.
        values: [P, len(heads)] values of `states.prompts`.
        heads: Names of the columns of `values`.
        bootstrap: The estimator's setting of that name, which decides whether final values are needed.
    """

    def column(rows: slice, head: str) -> Floats | None:
        return values[rows, heads.index(head)] if head in heads else None

    def final(rows: slice, head: str) -> Floats | None:
        read = column(rows, head)
        if read is None or bootstrap != "final":
            return None
        scattered = np.zeros(len(batch.terminated))
        scattered[list(states.unfinished)] = read
        return scattered

    return replace(
        batch,
        value_low=column(states.executor, LOW),
        value_high=column(states.planner, HIGH),
        value_switch=column(states.planner, SWITCH),
        final_value_low=final(states.final_executor, LOW),
        final_value_high=final(states.final_planner, HIGH),
        final_value_switch=final(states.final_planner, SWITCH),
    )


def state_id(observation: str) -> int:
    """A number for the state at the beginning of a turn: equal for equal observations, in every process."""
    digest = hashlib.blake2b(observation.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True, eq=False)
class ValueTargets:
    """Targets of the critic's heads at the prompts of a batch's turns: the planner's, then the executor's."""

    values: Floats
    """[2T, heads] targets; 0 where a head does not learn."""
    learns: npt.NDArray[np.bool_]
    """[2T, heads] whether the head learns from the prompt."""


def value_targets(advantages: Advantages, states: States, heads: tuple[str, ...]) -> ValueTargets:
    """The targets: V_high and V_switch learn at the planner's prompts, V_low at the executor's."""
    every_turn = np.ones(states.turns, dtype=np.bool_)
    levels = {
        HIGH: (states.planner, advantages.target_high, advantages.target_high_mask),
        SWITCH: (states.planner, advantages.target_switch, every_turn),
        LOW: (states.executor, advantages.target_low, every_turn),
    }
    values = np.zeros((2 * states.turns, len(heads)))
    learns = np.zeros(values.shape, dtype=np.bool_)
    for place, head in enumerate(heads):
        rows, target, mask = levels[head]
        if target is not None:
            values[rows, place] = np.where(mask, target, 0.0)
            learns[rows, place] = mask
    return ValueTargets(values, learns)
