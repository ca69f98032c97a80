"""Teachers for imitation: scripted players that are asked at every turn and may make mistakes on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from core.errors import InvalidInputError
from core.seeds import derive
from environments.benchmark import Benchmark, DemonstrationStep, Policy, StepInfo
from environments.telling import Telling
from trajectory.episode import Episode


@dataclass(frozen=True)
class TaughtTurn:
    """A turn of a teacher."""

    step: DemonstrationStep
    """Subgoal that is named, and action that is taken."""
    right: DemonstrationStep
    """Subgoal and action that the teacher considers right; those of `step` differ only where something else
    is played than it would."""


class Teacher(Protocol):
    """A player that knows the right action at each turn."""

    def begin(self, observation: str, info: StepInfo) -> None:
        """Starts an episode with the observation and info of `reset`."""
        ...

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        """The turn to play after the latest observation."""
        ...


class PolicyTeacher:
    """A scripted player whose action is replaced by a mistake at a share of the turns.

    Mistakes lead to the states that an imperfect learner gets into, with the action that is right there; the
    player's own episodes never visit them.
    """

    def __init__(self, player: Policy, telling: Telling, mistakes: float = 0.0, seed: int = 0) -> None:
        """
        Args:
            player: Scripted player; with mistakes it must be one that judges by what it sees.
            telling: Source of the hidden actions, which mistakes do not take.
            mistakes: Share of the turns with a mistake.
            seed: Seed of the mistakes, which also depend on the task.
        """
        self._player, self._telling, self._mistakes, self._seed = player, telling, mistakes, seed

    def begin(self, observation: str, info: StepInfo) -> None:
        self._random = Random(derive(self._seed, "mistakes", info["task_id"]))
        self._seen: set[str] = set()
        self._player.begin(observation, info)

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        step = right = self._player.act(observation, info)
        if self._random.random() < self._mistakes:
            step = replace(step, action=self._mistake(right.action, info))
        self._seen.update(info["admissible_actions"])
        return TaughtTurn(step, right)

    def _mistake(self, right: str, info: StepInfo) -> str:
        """A wrong action: half the time an admissible one, else one that was admissible before."""
        admissible = info["admissible_actions"]
        possible = [a for a in admissible if a != right and not self._telling.hidden(a)]
        impossible = sorted(self._seen.difference(admissible))
        choices = impossible if impossible and self._random.random() < 0.5 else possible
        return self._random.choice(choices) if choices else right


class WithoutSubgoals:
    """A teacher that acts as another one does, and names the task as its only subgoal."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def begin(self, observation: str, info: StepInfo) -> None:
        self._teacher.begin(observation, info)

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        turn = self._teacher.turn(observation, info)
        return TaughtTurn(replace(turn.step, subgoal=info["goal"]), replace(turn.right, subgoal=info["goal"]))


class Commentator:
    """Plays a stored episode again, and has another teacher say at each turn what would have been right.

    These are the lessons of DAgger (arXiv 1011.0686): from the states that a learner itself gets into.
    """

    def __init__(self, teacher: Teacher, episode: Episode) -> None:
        """`teacher` must judge by what it sees, whoever acted before."""
        self._teacher, self._episode = teacher, episode

    def begin(self, observation: str, info: StepInfo) -> None:
        self._next = 0
        self._teacher.begin(observation, info)

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        """Raises `InvalidInputError` if the environment does something else than in the episode."""
        turns, number = self._episode.turns, self._next
        self._next += 1
        if number >= len(turns) or turns[number].observation != observation:
            raise InvalidInputError(
                f"imitation.episodes: at turn {number} of episode {self._episode.number}, task "
                f"{self._episode.key.task_id}, the environment does something else than it did in the run; "
                f"were its settings or data others?"
            )
        played = DemonstrationStep(turns[number].plan.subgoal, turns[number].act.action)
        return TaughtTurn(played, self._teacher.turn(observation, info).right)


def teacher_of(benchmark: Benchmark, name: str, mistakes: float = 0.0, seed: int = 0) -> PolicyTeacher:
    """The benchmark's scripted player with this name as a teacher; see `PolicyTeacher`."""
    return PolicyTeacher(benchmark.policy(name, seed=0), benchmark.telling, mistakes, seed)
