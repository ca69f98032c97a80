"""Who is imitated: a scripted player that is asked at every turn, and may err on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol

from core.seeds import derive
from environments.benchmark import Benchmark, DemonstrationStep, Policy, StepInfo
from environments.telling import Telling


@dataclass(frozen=True)
class TaughtTurn:
    """One turn of a teacher."""

    step: DemonstrationStep
    """The subgoal that it names and the action that it takes."""
    right_action: str
    """What it holds right: the action of the step, but for mistakes."""


class Teacher(Protocol):
    """A player that knows, at each turn, what would be right."""

    def begin(self, observation: str, info: StepInfo) -> None: ...

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn: ...


class PolicyTeacher:
    """A scripted player; at a share of the turns another action is taken than the one that it chooses."""

    def __init__(self, player: Policy, telling: Telling, mistakes: float = 0.0, seed: int = 0) -> None:
        """
        Args:
            player: With mistakes it must be one that judges by what it sees.
            telling: Says which actions are hidden; no mistake takes one.
            mistakes: Share of the turns at which an action is taken that is, or once was, admissible.
            seed: Seed of the mistakes, together with the task.
        """
        self._player, self._telling, self._mistakes, self._seed = player, telling, mistakes, seed

    def begin(self, observation: str, info: StepInfo) -> None:
        self._random = Random(derive(self._seed, "mistakes", info["task_id"]))
        self._seen: set[str] = set()
        self._player.begin(observation, info)

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        step = self._player.act(observation, info)
        right = step.action
        if self._random.random() < self._mistakes:
            step = DemonstrationStep(step.subgoal, self._mistake(right, info))
        self._seen.update(info["admissible_actions"])
        return TaughtTurn(step, right)

    def _mistake(self, right: str, info: StepInfo) -> str:
        """Something else than what is right: half the time what is admissible, else what once was."""
        admissible = info["admissible_actions"]
        possible = [a for a in admissible if a != right and not self._telling.hidden(a)]
        impossible = sorted(self._seen.difference(admissible))
        choices = impossible if impossible and self._random.random() < 0.5 else possible
        return self._random.choice(choices) if choices else right


def teacher_of(benchmark: Benchmark, name: str, mistakes: float = 0.0, seed: int = 0) -> PolicyTeacher:
    """The benchmark's scripted player of that name as a teacher; see `PolicyTeacher`."""
    return PolicyTeacher(benchmark.policy(name, seed=0), benchmark.telling, mistakes, seed)
