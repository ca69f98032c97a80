"""Several environments in one run: the ids and types of their tasks begin with the environment's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from environments.benchmark import (
    Benchmark,
    DemonstrationStep,
    Policy,
    ReferencedBenchmark,
    StepInfo,
    Task,
    TextEnvironment,
)
from environments.errors import EpisodeError, UnknownSplitError, UnknownTaskError
from environments.telling import Telling


class MixedBenchmark:
    """The tasks of all its parts; a split has those of the parts that have this split."""

    def __init__(self, parts: Mapping[str, Benchmark], shares: Mapping[str, int]) -> None:
        """
        Args:
            parts: Benchmarks by name.
            shares: Share of each of them in the groups of a run.
        """
        self.parts, self.shares = dict(parts), dict(shares)
        self.name = "+".join(self.parts)
        self.telling: Telling = _HiddenByAny([part.telling for part in self.parts.values()])
        """For whoever does not know the task; otherwise `telling_of`."""
        self.splits = tuple(dict.fromkeys(split for part in self.parts.values() for split in part.splits))

    def tasks(self, split: str) -> tuple[Task, ...]:
        """The tasks of all parts that have this split, sorted: those of a part follow one another."""
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        return tuple(
            sorted(
                Task(f"{name}/{task.id}", f"{name}/{task.type}", split)
                for name, part in self.parts.items()
                if split in part.splits
                for task in part.tasks(split)
            )
        )

    def part_of(self, task_id: str) -> tuple[str, str]:
        """Name of the part that a task belongs to, and the task's id there.

        Raises:
            UnknownTaskError: the id begins with the name of no part.
        """
        found = [name for name in self.parts if task_id.startswith(f"{name}/")]
        if not found:
            raise UnknownTaskError(task_id, [f"{name}/…" for name in self.parts])
        name = max(found, key=len)
        return name, task_id.removeprefix(f"{name}/")

    def telling_of(self, task_id: str) -> Telling:
        """How the texts of this task's environment are shortened."""
        return self.parts[self.part_of(task_id)[0]].telling

    def environment(self) -> MixedEnvironment:
        return MixedEnvironment(self)

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        name, own = self.part_of(task.id)
        return self.parts[name].demonstration(Task(own, task.type.removeprefix(f"{name}/"), task.split))

    def policy(self, name: str, seed: int) -> Policy:
        """The players of this name of all parts; each plays the tasks of its part."""
        return MixedPlayer(self, {part: each.policy(name, seed) for part, each in self.parts.items()})

    def reference_lines(self, split: str) -> tuple[str, ...]:
        """The lines of the parts that have this split, each with the part's name."""
        return tuple(
            f"{name}: {line}"
            for name, part in self.parts.items()
            if isinstance(part, ReferencedBenchmark) and split in part.splits
            for line in part.reference_lines(split)
        )


class _HiddenByAny(Telling):
    """Leaves texts unchanged, and hides the actions that any environment hides."""

    def __init__(self, parts: Sequence[Telling]) -> None:
        self._parts = parts

    def hidden(self, action: str) -> bool:
        return any(part.hidden(action) for part in self._parts)


class MixedEnvironment(TextEnvironment):
    """Plays each task in an environment of its part, which is made when the part is first played."""

    def __init__(self, benchmark: MixedBenchmark) -> None:
        self._benchmark = benchmark
        self._made: dict[str, TextEnvironment] = {}
        self._name = ""

    def reset(  # type: ignore[override]  # as in TextEnvironment
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        task = (options or {}).get("task")
        # Without a task, a seed draws one of the first part.
        name, own = self._benchmark.part_of(task) if task else (next(iter(self._benchmark.parts)), None)
        if name not in self._made:
            self._made[name] = self._benchmark.parts[name].environment()
        observation, info = self._made[name].reset(seed=seed, options={"task": own} if own else None)
        self._name = name
        return observation, _outer(name, info)

    def step(  # type: ignore[override]
        self, action: str
    ) -> tuple[str, float, bool, bool, StepInfo]:
        observation, reward, terminated, truncated, info = self._playing().step(action)
        return observation, reward, terminated, truncated, _outer(self._name, info)

    def snapshot(self) -> Self:
        twin = type(self)(self._benchmark)
        twin._name, twin._made = self._name, {self._name: self._playing().snapshot()}
        return twin

    def close(self) -> None:
        for environment in self._made.values():
            environment.close()

    def _playing(self) -> TextEnvironment:
        if not self._name:
            raise EpisodeError("there is no episode: call reset first")
        return self._made[self._name]


class MixedPlayer:
    """Plays each episode as the player of its part does."""

    def __init__(self, benchmark: MixedBenchmark, players: Mapping[str, Policy]) -> None:
        self._benchmark, self._players = benchmark, players

    def begin(self, observation: str, info: StepInfo) -> None:
        self._name = self._benchmark.part_of(info["task_id"])[0]
        self._players[self._name].begin(observation, self._inner(info))

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return self._players[self._name].act(observation, self._inner(info))

    def _inner(self, info: StepInfo) -> StepInfo:
        prefix = f"{self._name}/"
        own = info.copy()
        own["task_id"] = info["task_id"].removeprefix(prefix)
        own["task_type"] = info["task_type"].removeprefix(prefix)
        return own


def _outer(name: str, info: StepInfo) -> StepInfo:
    """`info` with the names that the task has in the mix."""
    named = info.copy()
    named["task_id"], named["task_type"] = f"{name}/{info['task_id']}", f"{name}/{info['task_type']}"
    return named
