"""Checks an environment from outside this repository while it is played."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from environments.benchmark import Benchmark, DemonstrationStep, Policy, StepInfo, Task, TextEnvironment
from environments.errors import BenchmarkError, BrokenEnvironmentError
from environments.telling import Telling

_LARGEST_REWARD = 1e6
_SHOWN = 500
"""Number of characters of an exception's message that are shown."""
REQUIRED = ("goal", "task_id", "task_type", "won", "score")
"""Fields that `info` must have; `admissible_actions` is optional."""


def observation_problems(observation: Any) -> Iterator[str]:
    """What is wrong with an observation."""
    if (problem := _text_problem(observation)) is not None:
        yield f"the observation {problem}"


def reward_problems(reward: Any) -> Iterator[str]:
    """What is wrong with a reward."""
    if not isinstance(reward, int | float) or not math.isfinite(reward):
        yield f"the reward is {reward!r}, not a finite number"
    elif abs(reward) > _LARGEST_REWARD:
        yield f"the reward is {reward:g}; -1e6 to 1e6 are accepted"


def info_problems(info: Any) -> Iterator[str]:
    """What is wrong with the `info` of `reset` or `step`."""
    if not isinstance(info, dict):
        yield f"info is a {type(info).__name__}, not a dict"
        return
    for name in REQUIRED:
        if name not in info:
            yield f"info has no {name}"
    for name in ("goal", "task_id", "task_type"):
        if (problem := _text_problem(info.get(name, ""))) is not None:
            yield f"info's {name} {problem}"
    if not str(info.get("goal", "some")).strip():
        yield "info's goal is empty"
    score = info.get("score", 0.0)
    if not isinstance(score, int | float) or not 0 <= score <= 1:
        yield f"info's score is {score!r}, not a number in [0, 1]"
    actions = info.get("admissible_actions", ())
    if isinstance(actions, str) or not isinstance(actions, Sequence):
        yield f"info's admissible_actions are a {type(actions).__name__}, not a sequence of texts"
    elif any(_text_problem(action) for action in actions):
        yield "info's admissible_actions are not all text"


def _text_problem(text: Any) -> str | None:
    if not isinstance(text, str):
        return f"is a {type(text).__name__}, not text"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"has a lone surrogate at position {error.start}, which is not text"
    return None


class GuardedEnvironment(TextEnvironment):
    """Passes every call on; whatever breaks the contract raises `BrokenEnvironmentError` with task and turn.

    Errors of `environments.errors`, such as one for an unknown task, pass unchanged.
    """

    def __init__(self, environment: Any, name: str) -> None:
        self._environment, self._name = environment, name
        self._task, self._turn = "", 0

    def reset(  # type: ignore[override]  # as in TextEnvironment
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        self._task, self._turn = (options or {}).get("task", ""), 0
        with blamed(self._where("reset"), unchanged=BenchmarkError):
            observation, info = self._environment.reset(seed=seed, options=options)
        self._check("reset", *observation_problems(observation), *info_problems(info))
        self._task = info["task_id"]
        return observation, _whole(info)

    def step(  # type: ignore[override]
        self, action: str
    ) -> tuple[str, float, bool, bool, StepInfo]:
        with blamed(self._where(f"turn {self._turn}"), unchanged=BenchmarkError):
            observation, reward, terminated, truncated, info = self._environment.step(action)
        found = (*observation_problems(observation), *reward_problems(reward), *info_problems(info))
        self._check(f"turn {self._turn}", *found)
        self._turn += 1
        return observation, float(reward), bool(terminated), bool(truncated), _whole(info)

    def snapshot(self) -> Self:
        twin = type(self)(self._environment.snapshot(), self._name)
        twin._task, twin._turn = self._task, self._turn
        return twin

    def close(self) -> None:
        if hasattr(self._environment, "close"):
            self._environment.close()

    def _where(self, moment: str) -> str:
        return f"environment {self._name}, task {self._task or '(any)'}, {moment}"

    def _check(self, moment: str, *problems: str) -> None:
        if problems:
            raise BrokenEnvironmentError(f"{self._where(moment)}: {'; '.join(problems)}")


class GuardedBenchmark:
    """A benchmark whose environments are guarded."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self.name = benchmark.name
        self.splits = tuple(benchmark.splits)

    @property
    def telling(self) -> Telling:
        return self._benchmark.telling

    def tasks(self, split: str) -> tuple[Task, ...]:
        return tuple(self._benchmark.tasks(split))

    def environment(self) -> TextEnvironment:
        with blamed(f"environment {self.name}, making it", unchanged=BenchmarkError):
            environment = self._benchmark.environment()
        return GuardedEnvironment(environment, self.name)

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        return self._benchmark.demonstration(task)

    def policy(self, name: str, seed: int) -> Policy:
        return self._benchmark.policy(name, seed)


@contextmanager
def blamed(where: str, unchanged: type[BenchmarkError] = BrokenEnvironmentError) -> Iterator[None]:
    """Turns what an environment raises in the block into `BrokenEnvironmentError`.

    Args:
        where: Environment, task and turn, with which the message begins.
        unchanged: Class of errors that pass as they are.
    """
    try:
        yield
    except unchanged:
        raise
    except BenchmarkError as error:
        raise BrokenEnvironmentError(f"{where}: {error}") from error
    except Exception as error:
        # The last frame is where it was raised, which the author of the environment wants to know.
        raised = traceback.extract_tb(error.__traceback__)[-1]
        raise BrokenEnvironmentError(
            f"{where}: raised {type(error).__name__}: {str(error)[:_SHOWN]} "
            f"({Path(raised.filename).name}, line {raised.lineno})"
        ) from error


def _whole(info: dict[str, Any]) -> StepInfo:
    """`info` with its optional fields, and without what is not ours."""
    return StepInfo(
        admissible_actions=tuple(info.get("admissible_actions", ())),
        goal=info["goal"],
        task_id=info["task_id"],
        task_type=info["task_type"],
        won=bool(info["won"]),
        score=float(info["score"]),
    )
