"""Plays games inside a benchmark's process, with engines that it starts itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from rich.console import Console

from configuration.tree import Configuration
from core.progress import progress
from core.role import Role
from core.seeds import derive
from environments.benchmark import Benchmark, Task
from environments.registry import load
from executor.service import ExecutorService
from learner.imitation.first import first_adapters
from planner.service import PlannerService
from play.players import Executor, OneOfEach, Planner, Players
from serving.adapters.pair import AdapterPair
from serving.engine import Engine, GenerationRequest, LoadedAdapter
from serving.engines import make_engine
from serving.model import load_tokenizer, resolve_model
from trajectory.episode import Episode
from trajectory.lease import Lease

FIRST = GenerationRequest((1, 2, 3, 4), 1, 1.0, 0, frozenset())
"""Request for the first token of an engine, or of a new version."""


@dataclass(frozen=True)
class Games:
    """What both sides of a comparison play, and with which models."""

    benchmark: Benchmark
    tasks: Sequence[Task]
    planner: Planner
    executor: Executor
    history: int
    """Largest number of earlier turns in a context."""
    seed: int
    at_once: int
    """Number of episodes played at the same time, and size of the batches in lock-step."""
    ended: Callable[[], None] = lambda: None
    """Callback for each episode that has ended."""

    async def play(self, number: int, planner: Planner, executor: Executor) -> Episode:
        """Plays one episode; its seed depends on its number."""
        players = Players(OneOfEach(planner, executor), self.benchmark, self.history, final_prompts=False)
        seed = derive(self.seed, "episode", number)
        lease = Lease(str(number), "benchmark", number, number, attempt=0, task_seed=0, seed=seed, version=0)
        environment = self.benchmark.environment()
        try:
            episode = await players.play(lease, self.tasks[number], environment)
        finally:
            environment.close()
        self.ended()
        return episode


@dataclass(frozen=True)
class Opened:
    """The games, and the engines of their planner and executor."""

    games: Games
    engines: Mapping[Role, Engine]
    adapters: AdapterPair | None

    async def forget(self) -> None:
        """Makes both engines forget the prompts that they have computed."""
        for role, engine in self.engines.items():
            await engine.switch(
                LoadedAdapter(role.value, 0, self.adapters.of(role)) if self.adapters else None
            )


@asynccontextmanager
async def opened(
    c: Configuration, episodes: int, console: Console, threads: int | None = None
) -> AsyncIterator[Opened]:
    """Engines of planner and executor with the adapters that a run starts with, and this many games.

    Args:
        c: Settings of models and games.
        episodes: Number of games.
        console: Console for the progress, in case the adapters have to be taught first.
        threads: Number of CPU threads of each engine; None means the number in its settings.
    """
    model = resolve_model(c.planner.model)
    with progress(console, "adapters") as report:
        pair = first_adapters(c, model, report)
    benchmark, tokenizer = load(c.environment), load_tokenizer(model.path)
    tasks = benchmark.tasks(c.orchestrator.split)
    settings = {
        role: c.model_server(role).model_copy(update={"threads": threads} if threads else {}) for role in Role
    }
    engines = {role: make_engine(model, settings[role]) for role in Role}
    try:
        for engine in engines.values():
            await engine.start()
        games = Games(
            benchmark,
            [tasks[number % len(tasks)] for number in range(episodes)],
            cast(Planner, PlannerService(engines[Role.PLANNER], tokenizer, c.planner)),
            cast(Executor, ExecutorService(engines[Role.EXECUTOR], tokenizer, c.executor)),
            max(c.planner.history, c.executor.history),
            c.run.seed,
            c.orchestrator.concurrency,
        )
        found = Opened(games, engines, pair)
        await found.forget()
        for engine in engines.values():
            await engine.generate(FIRST)
        yield found
    finally:
        for engine in engines.values():
            await engine.close()
