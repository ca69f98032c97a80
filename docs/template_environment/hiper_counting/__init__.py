"""Counting up to a number: a minimal environment, with a scripted player. Copy this folder, and change it."""

from __future__ import annotations

import copy
import random
from typing import Self

import gymnasium

from configuration.environment import EnvironmentSettings
from environments.benchmark import DemonstrationStep, Policy, StepInfo, Task, TextEnvironment
from environments.errors import (
    ActionTypeError,
    EpisodeError,
    UnknownPolicyError,
    UnknownSplitError,
    UnknownTaskError,
)
from environments.telling import Telling

ACTIONS = ("add one", "add two")


class CountingEnvironment(TextEnvironment):
    """`add one` and `add two` must reach the goal exactly; overshooting it loses."""

    def __init__(self, goals: dict[str, int], step_limit: int) -> None:
        self._goals = goals
        self._step_limit = step_limit
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        gymnasium.Env.reset(self, seed=seed)
        task = (options or {}).get("task") or sorted(self._goals)[self.np_random.integers(len(self._goals))]
        if task not in self._goals:
            raise UnknownTaskError(task, self._goals)
        self._task, self._count, self._steps, self._over = task, 0, 0, False
        return f"Your task is to: count to {self._goals[task]}.", self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:
        if not isinstance(action, str):
            raise ActionTypeError(action)
        if self._over:
            raise EpisodeError("the episode is over: call reset before the next step")
        self._steps += 1
        self._count += ACTIONS.index(action) + 1 if action in ACTIONS else 0
        observation = f"The count is {self._count}." if action in ACTIONS else "Nothing happens."
        info = self._info()
        terminated = self._count >= self._goals[self._task]
        truncated = self._steps >= self._step_limit and not terminated
        self._over = terminated or truncated
        return observation, info["score"], terminated, truncated, info

    def snapshot(self) -> Self:
        return copy.deepcopy(self)

    def _info(self) -> StepInfo:
        goal = self._goals[self._task]
        won = self._count == goal
        return StepInfo(
            admissible_actions=ACTIONS,
            goal=f"count to {goal}.",
            task_id=self._task,
            task_type="count",
            won=won,
            score=float(won),
        )


class CountingPlayer:
    """Adds two while it can (`expert`), or adds at random."""

    def __init__(self, draw: random.Random | None) -> None:
        self._draw = draw

    def begin(self, observation: str, info: StepInfo) -> None:
        self._left = int(info["goal"].removeprefix("count to ").removesuffix("."))

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        action = self._draw.choice(ACTIONS) if self._draw else ACTIONS[self._left > 1]
        self._left -= ACTIONS.index(action) + 1
        return DemonstrationStep("get closer to the goal", action)


class Counting:
    """Goals from 1 to 9 to train on, and from 10 to 19 to be tested on."""

    name = "counting"
    splits = ("train", "valid_unseen")
    telling = Telling()

    def __init__(self, step_limit: int) -> None:
        self._step_limit = step_limit
        self._goals = {f"{'train' if n < 10 else 'valid_unseen'}/{n:02d}": n for n in range(1, 20)}

    def tasks(self, split: str) -> tuple[Task, ...]:
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        return tuple(sorted(Task(id, "count", split) for id in self._goals if id.startswith(f"{split}/")))

    def environment(self) -> CountingEnvironment:
        return CountingEnvironment(self._goals, self._step_limit)

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        twos, ones = divmod(self._goals[task.id], 2)
        actions = [ACTIONS[1]] * twos + [ACTIONS[0]] * ones
        return tuple(DemonstrationStep("get closer to the goal", action) for action in actions)

    def policy(self, name: str, seed: int) -> Policy:
        if name not in ("expert", "rule", "random"):
            raise UnknownPolicyError(name, ("expert", "rule", "random"))
        return CountingPlayer(random.Random(seed) if name == "random" else None)


def load(settings: EnvironmentSettings) -> Counting:
    """The benchmark; `settings` are those of `--environment.…`."""
    return Counting(settings.step_limit)
