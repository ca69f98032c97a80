"""ALFWorld as a benchmark: tasks, environments, demonstrations and scripted players."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, Self

from configuration.environment import EnvironmentSettings
from environments.alfworld.compiler import load_game
from environments.alfworld.demonstration import demonstrate
from environments.alfworld.environment import AlfworldEnvironment, Backend, Started
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game
from environments.alfworld.game_source import GameSource
from environments.alfworld.policies import make_policy
from environments.alfworld.sources import open_source
from environments.alfworld.task_types import read_task_type
from environments.alfworld.telling import AlfworldTelling
from environments.benchmark import DemonstrationStep, Policy, Task
from environments.errors import (
    DataNotFoundError,
    EnvironmentDataError,
    UnknownSplitError,
    UnknownTaskError,
)
from environments.locations import data_path

KEPT_GAMES = 2048
"""Number of compiled games kept for later resets, about 60 kB each."""


class AlfworldBenchmark:
    """All games of a source; the environments share the compiled games."""

    name = "alfworld"
    telling = AlfworldTelling()

    def __init__(
        self,
        source: GameSource,
        step_limit: int = 50,
        backend: Literal["native", "textworld"] = "native",
        task_types: Collection[str] = (),
    ) -> None:
        """Keeps the games of `task_types`, all if it is empty; `UnknownTaskTypeError` for an unknown type."""
        kept = {read_task_type(name) for name in task_types}
        self._source = source
        self._step_limit = step_limit
        self._backend = backend
        by_split: dict[str, list[Task]] = defaultdict(list)
        for task in source.tasks():
            if not kept or task.type in kept:
                by_split[task.split].append(task)
        if not by_split:
            wanted = f" of the task types {', '.join(task_types)}" if kept else ""
            raise EnvironmentDataError(f"the ALFWorld data holds no games{wanted}")
        self._by_split = {split: tuple(tasks) for split, tasks in by_split.items()}
        self._by_id = {task.id: task for tasks in by_split.values() for task in tasks}
        self.splits = tuple(self._by_split)
        self.game = lru_cache(maxsize=KEPT_GAMES)(self._load_game)

    def tasks(self, split: str) -> tuple[Task, ...]:
        try:
            return self._by_split[split]
        except KeyError:
            raise UnknownSplitError(split, self.splits) from None

    def task(self, task_id: str) -> Task:
        try:
            return self._by_id[task_id]
        except KeyError:
            raise UnknownTaskError(task_id, self._by_id) from None

    def environment(self) -> AlfworldEnvironment:
        drawn_from = tuple(task.id for task in self._by_split[self.splits[0]])
        return AlfworldEnvironment(self._new_backend(), drawn_from, self._step_limit)

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        return demonstrate(self.game(task.id))

    def policy(self, name: str, seed: int) -> Policy:
        return make_policy(name, seed, lambda task_id: self.demonstration(self.task(task_id)))

    def _new_backend(self) -> Backend:
        if self._backend == "native":
            return _NativeBackend(self)
        from environments.alfworld.stock import StockEngine

        return StockEngine(self._source, self.task)

    def _load_game(self, task_id: str) -> Game:
        return load_game(self._source.read(self.task(task_id).id), f"game {task_id}")


class _NativeBackend:
    """Starts episodes of the benchmark's compiled games; without state, so that all environments share it."""

    def __init__(self, benchmark: AlfworldBenchmark) -> None:
        self._benchmark = benchmark

    def start(self, task_id: str) -> Started:
        game = self._benchmark.game(task_id)
        return Started(self._benchmark.task(task_id), game.goal_text, Episode(game))

    def twin(self) -> Self:
        return self

    def close(self) -> None:
        """Nothing to release."""


def load(settings: EnvironmentSettings) -> AlfworldBenchmark:
    """The games that `settings` ask for: real ones found on disk, or generated ones.

    Raises:
        DataNotFoundError: real games are asked for and none are found.
        UnknownTaskTypeError: there is no such task type.
        MissingDependencyError: games must be generated and the alfworld package is not installed.
    """
    path = None if settings.source == "generated" else data_path(settings.data, "ALFWORLD_DATA")
    if path is not None:
        source: GameSource = open_source(path)
    elif settings.source == "real":
        raise DataNotFoundError(
            "no ALFWorld data: set ALFWORLD_DATA or environment.data to a tree made by alfworld-download or "
            "to the packed archive, or leave environment.source at `auto` to play generated games"
        )
    else:
        from environments.alfworld.generator import GeneratedSource

        source = GeneratedSource(settings.generator, settings.seed)
    return AlfworldBenchmark(source, settings.step_limit, settings.backend, settings.task_types)
