"""A player that follows the teacher, but makes errors with given probabilities."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from core.seeds import derive
from environments.alfworld import subgoals
from environments.alfworld.adviser import Advice, Memory, advise
from environments.alfworld.goal_text import read_goal
from environments.alfworld.task_types import TREATMENTS
from environments.alfworld.telling import AlfworldTelling
from environments.benchmark import Benchmark, DemonstrationStep, Policy, StepInfo, Task, TextEnvironment
from learner.imitation.teachers import TaughtTurn
from studies.nano.steps import step_of, thinkable_steps

_TELLING = AlfworldTelling()


@dataclass(frozen=True)
class Errors:
    """Probabilities of errors at each turn."""

    action: float = 0.0
    """Probability of taking any admissible action instead of one that serves the subgoal."""
    subgoal: float = 0.0
    """Probability of naming any subgoal instead of the right one."""
    stuck: float = 0.0
    """Probability of keeping the subgoal, whether it is right or not."""
    refused: float = 0.0
    """Probability of trying an action that was possible earlier in the episode and no longer is."""


class ErringPlayer:
    """A `Policy` and a `Teacher`. With a wrong subgoal, it takes any admissible action.

    Its right action serves the right subgoal, which the one that it names need not be.
    """

    def __init__(self, errors: Errors, seed: int, *, steps: bool = False) -> None:
        """With `steps`, its subgoals are single steps (`step_of`)."""
        self._errors, self._seed, self._steps = errors, seed, steps

    def begin(self, observation: str, info: StepInfo) -> None:
        self._random = random.Random(derive(self._seed, info["task_id"]))
        self._observations: list[str] = []
        self._seen: set[str] = set()
        self._subgoal = ""

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return self.turn(observation, info).step

    def turn(self, observation: str, info: StepInfo) -> TaughtTurn:
        """Like `act`, with what would be right."""
        self._observations.append(observation)
        advice = advise(info["goal"], self._observations, info["admissible_actions"])
        if self._steps:
            advice = replace(advice, subgoal=step_of(advice))
        self._subgoal = self._named(advice, info["goal"])
        right = DemonstrationStep(advice.subgoal, advice.actions[0])
        action = self._chosen(advice, right.action, info)
        self._seen.update(info["admissible_actions"])
        return TaughtTurn(DemonstrationStep(self._subgoal, action), right)

    def _named(self, advice: Advice, goal: str) -> str:
        if self._subgoal and self._random.random() < self._errors.stuck:
            return self._subgoal
        if self._random.random() < self._errors.subgoal:
            return self._random.choice(self._thinkable(goal))
        return advice.subgoal

    def _thinkable(self, goal_text: str) -> list[str]:
        """The subgoals that a clueless player might name."""
        goal = read_goal(goal_text)
        assert goal is not None, "the teacher has read it"
        kinds = sorted({place.split()[0] for place in Memory.of(self._observations[:1]).places})
        if self._steps:
            return thinkable_steps(goal.object_type, kinds)
        return [
            subgoals.explore(),
            subgoals.take(goal.object_type),
            *(subgoals.treat(verb, goal.object_type) for verb, _ in TREATMENTS.values()),
            *(subgoals.put(goal.object_type, kind) for kind in kinds),
        ]

    def _chosen(self, advice: Advice, right: str, info: StepInfo) -> str:
        impossible = sorted(self._seen.difference(info["admissible_actions"]))
        if impossible and self._random.random() < self._errors.refused:
            return self._random.choice(impossible)
        if self._subgoal == advice.subgoal and self._random.random() >= self._errors.action:
            return right
        return self._random.choice([a for a in info["admissible_actions"] if not _TELLING.hidden(a)])


class ErringBenchmark:
    """A benchmark whose demonstrations are those of an erring player; implements `Benchmark`."""

    def __init__(self, benchmark: Benchmark, errors: Errors, seed: int, *, steps: bool = False) -> None:
        self._benchmark, self._errors, self._seed, self._steps = benchmark, errors, seed, steps
        self.name, self.splits, self.telling = benchmark.name, benchmark.splits, benchmark.telling

    def tasks(self, split: str) -> tuple[Task, ...]:
        return self._benchmark.tasks(split)

    def environment(self) -> TextEnvironment:
        return self._benchmark.environment()

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        """The player's turns up to the win or the step limit."""
        return tuple(turn.step for turn in self.taught(task))

    def taught(self, task: Task) -> tuple[TaughtTurn, ...]:
        """The same turns, with the right actions."""
        environment, player = self.environment(), self.player()
        observation, info = environment.reset(seed=0, options={"task": task.id})
        player.begin(observation, info)
        turns, over = [], False
        while not over:
            turns.append(player.turn(observation, info))
            observation, _, terminated, truncated, info = environment.step(turns[-1].step.action)
            over = terminated or truncated
        environment.close()
        return tuple(turns)

    def player(self) -> ErringPlayer:
        """The player that makes the demonstrations."""
        return ErringPlayer(self._errors, self._seed, steps=self._steps)

    def policy(self, name: str, seed: int) -> Policy:
        return self._benchmark.policy(name, seed)
