"""What the orchestrator knows of an environment: tasks to choose from, and episodes played as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, Self, TypedDict, runtime_checkable

import gymnasium

from environments.telling import Telling


@dataclass(frozen=True, order=True)
class Task:
    """One task of a benchmark; tasks sort by their id, so that a split has one order on every machine."""

    id: str
    """Unique within the benchmark, the same on every machine."""
    type: str
    """The kind of task that success is broken down by, such as `pick_and_place_simple`."""
    split: str


class StepInfo(TypedDict):
    """The `info` of `reset` and `step`."""

    admissible_actions: tuple[str, ...]
    """Sorted where the reference sorts them; `search[<your query>]` stands for a free text search."""
    goal: str
    """The task in words, as the first observation states it."""
    task_id: str
    task_type: str
    won: bool
    score: float
    """In [0, 1]: the graded success of the episode so far (WebShop), or `won` as a number."""


class TextEnvironment(gymnasium.Env[str, str], ABC):
    """One episode at a time: text in, text out, with gymnasium's five values from `step`.

    `reset(seed=..., options={"task": task_id})` starts the named task, or one drawn with the seed where
    none is named. `step` never raises for the text of an action: what the game does not understand is
    answered as the reference answers it. `truncated` is true at the step limit, `terminated` when the
    episode is won or lost for good. The reward is the benchmark's own (0 or 1, or a score in [0, 1]);
    scaling it is the learner's business.

    `step` before the first `reset`, or after the end of an episode, raises `EpisodeError`. The
    reference WebShop shows its last page again instead; but a turn after the end belongs to no episode, so
    that only a faulty play loop asks for one, and a fault must not pass unnoticed.
    """

    @abstractmethod
    def reset(  # type: ignore[override]  # gymnasium's info is a dict of anything
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]: ...

    @abstractmethod
    def step(  # type: ignore[override]
        self, action: str
    ) -> tuple[str, float, bool, bool, StepInfo]: ...

    @abstractmethod
    def snapshot(self) -> Self:
        """A copy in mid-episode that shares the immutable game; both go on independently."""


@dataclass(frozen=True)
class DemonstrationStep:
    """One turn of an expert: the subgoal it follows and the action it takes."""

    subgoal: str
    action: str


class Policy(Protocol):
    """A scripted player, such as the rule baseline: state is kept between `begin` and the last `act`."""

    def begin(self, observation: str, info: StepInfo) -> None: ...

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep: ...


class Benchmark(Protocol):
    """A loaded benchmark; the data behind it is shared by all environments it makes."""

    name: str
    splits: tuple[str, ...]

    @property
    def telling(self) -> Telling:
        """How observations and actions are told to the models; `Telling()` tells everything as it is."""
        ...

    def tasks(self, split: str) -> tuple[Task, ...]:
        """The tasks of a split in sorted order; an unknown split raises `UnknownSplitError`."""
        ...

    def environment(self) -> TextEnvironment: ...

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        """An expert's winning (or, where the ceiling forbids it, best) episode, split into subgoals."""
        ...

    def policy(self, name: str, seed: int) -> Policy:
        """The scripted player `expert`, `rule` or `random`, or another one of the benchmark's own."""
        ...


@runtime_checkable
class ReferencedBenchmark(Protocol):
    """A benchmark that says what its results should be read beside: a ceiling, baselines."""

    def reference_lines(self, split: str) -> tuple[str, ...]:
        """Lines to print beneath a result on the split."""
        ...
