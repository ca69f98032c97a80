"""The interface between the orchestrator and a benchmark: tasks to choose from, episodes played as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, Self, TypedDict, runtime_checkable

import gymnasium

from environments.telling import Telling


@dataclass(frozen=True, order=True)
class Task:
    """One task of a benchmark; tasks sort by id, so that a split has the same order on every machine."""

    id: str
    """Name that is unique within the benchmark and the same on every machine."""
    type: str
    """Kind of task, such as `pick_and_place_simple`; results are also reported by kind."""
    split: str


class StepInfo(TypedDict):
    """The `info` that `reset` and `step` return."""

    admissible_actions: tuple[str, ...]
    """Actions that are possible now, in the reference implementation's order; `search[<your query>]` means a
    search with any text."""
    goal: str
    """Task in words, as the first observation states it."""
    task_id: str
    task_type: str
    won: bool
    score: float
    """Success of the episode so far, in [0, 1]: graded in WebShop, elsewhere `won` as 0 or 1."""


class TextEnvironment(gymnasium.Env[str, str], ABC):
    """Plays one episode at a time: text in, text out, with gymnasium's five values from `step`.

    `reset(seed=..., options={"task": task_id})` starts the named task, or without a name one drawn with the
    seed. `step` never raises because of an action's text: what the game does not understand gets the answer
    that the reference implementation gives. `truncated` is true at the step limit, `terminated` when the
    episode is won or finally lost. The reward is the benchmark's own (0 or 1, or a score in [0, 1]); the
    learner scales it.

    `step` before the first `reset`, or after the end of an episode, raises `EpisodeError`. The reference
    WebShop repeats its last page instead; but only a faulty play loop takes a step after the end, and that
    must not pass unnoticed.
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
        """A copy in the middle of an episode: it shares the immutable game and continues on its own."""


@dataclass(frozen=True)
class DemonstrationStep:
    """One turn of a scripted player: the subgoal it pursues and the action it takes."""

    subgoal: str
    action: str


class Policy(Protocol):
    """A scripted player, such as the rule baseline; it keeps state from one `begin` to the next."""

    def begin(self, observation: str, info: StepInfo) -> None:
        """Starts an episode with the observation and info of `reset`; to be called before `act`."""
        ...

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        """The turn to play after the latest observation; the first call is given that of `reset` again."""
        ...


class Benchmark(Protocol):
    """A loaded benchmark; all environments that it makes share its data."""

    name: str
    splits: tuple[str, ...]

    @property
    def telling(self) -> Telling:
        """How prompts shorten observations and actions; `Telling()` leaves everything unchanged."""
        ...

    def tasks(self, split: str) -> tuple[Task, ...]:
        """The tasks of a split, sorted; raises `UnknownSplitError` for an unknown split."""
        ...

    def environment(self) -> TextEnvironment:
        """A new environment, which plays one episode at a time."""
        ...

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        """An expert's episode with its subgoals: it wins or, where a task cannot be won, does its best."""
        ...

    def policy(self, name: str, seed: int) -> Policy:
        """A scripted player: `expert`, `rule`, `random`, or another that the benchmark has.

        Raises:
            UnknownPolicyError: the benchmark has no player of that name; the message lists those it has.
        """
        ...


def telling_of(benchmark: Benchmark, task_id: str) -> Telling:
    """How prompts shorten the texts of a task's environment."""
    return benchmark.telling_of(task_id) if isinstance(benchmark, Mixture) else benchmark.telling


def name_of(benchmark: Benchmark, task_id: str) -> str:
    """The name of a task's environment."""
    return benchmark.part_of(task_id)[0] if isinstance(benchmark, Mixture) else benchmark.name


@runtime_checkable
class Mixture(Protocol):
    """A benchmark whose tasks are those of several environments; see `environments.mixed`."""

    shares: dict[str, int]
    """Share of each environment in the groups of a run, by name."""

    def part_of(self, task_id: str) -> tuple[str, str]:
        """Name of the environment that a task belongs to, and the task's id there."""
        ...

    def telling_of(self, task_id: str) -> Telling:
        """How the texts of this task's environment are shortened."""
        ...


@runtime_checkable
class FamilyBenchmark(Protocol):
    """A benchmark in which many tasks are alike, so that a few of each family teach most of what all do."""

    def family_of(self, task_id: str) -> str:
        """Name that tasks have in common if they are alike, such as goals for the same product."""
        ...


@runtime_checkable
class ReferencedBenchmark(Protocol):
    """A benchmark that reports figures to compare results with: the best possible score, and baselines."""

    def reference_lines(self, split: str) -> tuple[str, ...]:
        """Lines to print below a result on the split."""
        ...
