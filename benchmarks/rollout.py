"""`bazel run //benchmarks:rollout`: episodes played each at its own pace, compared with lock-step.

In lock-step, as verl-agent plays, a batch of episodes takes each turn together: all wait for the slowest
answer, and answers for episodes that have ended are generated until the last one of the batch has ended. Both
sides play the same games with the same seeds on the same two engines, one after the other, in one process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from configuration.command import main, read
from configuration.section import Section
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
from serving.engine import Engine, LoadedAdapter
from serving.engines import make_engine
from serving.model import load_tokenizer, resolve_model
from trajectory.episode import Act, AdmissibleAction, Episode, Plan, TurnContext
from trajectory.fence import Fence
from trajectory.lease import Lease

Call = Callable[[], Awaitable[Any]]


class BenchmarkFlags(Section):
    """Options of this command."""

    episodes: int = 24
    """Number of episodes that each side plays in a round; a multiple of `orchestrator.concurrency`."""
    rounds: int = 3
    """Number of times that both sides play, in turn."""


@dataclass
class Steps:
    """Calls that are made together, once every episode of the batch that has not ended has made its own."""

    live: int
    _calls: list[tuple[Call, asyncio.Future[Any]]] = field(default_factory=list)
    _ended: list[Call] = field(default_factory=list)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, call: Call) -> Any:
        """The result of the call, once all calls of the step are done."""
        future = asyncio.get_running_loop().create_future()
        self._calls.append((call, future))
        self._begin_if_complete()
        return await future

    def leave(self, last: Call) -> None:
        """An episode has ended; `last` is repeated at every step, as its answer is still generated."""
        self.live -= 1
        self._ended.append(last)
        self._begin_if_complete()

    def _begin_if_complete(self) -> None:
        if self._calls and len(self._calls) == self.live:
            calls, self._calls = self._calls, []
            task = asyncio.create_task(self._together(calls))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _together(self, calls: Sequence[tuple[Call, asyncio.Future[Any]]]) -> None:
        made = [call for call, _ in calls] + self._ended
        results = await asyncio.gather(*(call() for call in made), return_exceptions=True)
        for (_, future), result in zip(calls, results, strict=False):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)


class InStep:
    """Planner and executor of one episode of a batch, whose calls wait for those of the others."""

    def __init__(self, planner: Planner, executor: Executor, plans: Steps, acts: Steps) -> None:
        self._planner, self._executor, self._plans, self._acts = planner, executor, plans, acts
        self._last_plan: Call | None = None
        self._last_act: Call | None = None

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        self._last_plan = lambda: self._planner.plan(context, seed, fence)
        return await self._plans.ask(self._last_plan)

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        self._last_act = lambda: self._executor.act(context, actions, seed, fence)
        return await self._acts.ask(self._last_act)

    async def prompt(
        self, context: TurnContext, actions: tuple[AdmissibleAction, ...] = ()
    ) -> tuple[int, ...]:
        raise NotImplementedError("episodes are played without prompts at their final observation")

    def leave(self) -> None:
        if self._last_plan and self._last_act:
            self._plans.leave(self._last_plan)
            self._acts.leave(self._last_act)


@dataclass(frozen=True)
class Games:
    """What both sides play, and with which models."""

    benchmark: Benchmark
    tasks: Sequence[Task]
    planner: Planner
    executor: Executor
    history: int
    """Largest number of earlier turns in a context."""
    seed: int
    at_once: int
    """Number of episodes played at the same time, and size of the batches in lock-step."""

    async def play(self, number: int, planner: Planner, executor: Executor) -> Episode:
        """Plays one episode; its seed depends on its number."""
        players = Players(OneOfEach(planner, executor), self.benchmark, self.history, final_prompts=False)
        seed = derive(self.seed, "episode", number)
        lease = Lease(str(number), "benchmark", number, number, attempt=0, task_seed=0, seed=seed, version=0)
        environment = self.benchmark.environment()
        try:
            return await players.play(lease, self.tasks[number], environment)
        finally:
            environment.close()


async def at_own_pace(games: Games) -> list[Episode]:
    """As a run plays: whenever an episode ends, the next one begins."""
    left, episodes = iter(range(len(games.tasks))), []

    async def worker() -> None:
        for number in left:
            episodes.append(await games.play(number, games.planner, games.executor))

    await asyncio.gather(*(worker() for _ in range(games.at_once)))
    return episodes


async def in_lock_step(games: Games) -> list[Episode]:
    """One batch after the other; see `Steps`."""
    episodes: list[Episode] = []
    for first in range(0, len(games.tasks), games.at_once):
        numbers = range(first, min(first + games.at_once, len(games.tasks)))
        plans, acts = Steps(len(numbers)), Steps(len(numbers))
        episodes += await asyncio.gather(*(_stepping(games, number, plans, acts) for number in numbers))
    return episodes


async def _stepping(games: Games, number: int, plans: Steps, acts: Steps) -> Episode:
    models = InStep(games.planner, games.executor, plans, acts)
    episode = await games.play(number, models, models)
    models.leave()
    return episode


@dataclass(frozen=True)
class Measured:
    """Time and result of playing all episodes once."""

    seconds: float
    turns: int
    won: int


async def measured(play: Callable[[Games], Awaitable[list[Episode]]], games: Games) -> Measured:
    began = time.perf_counter()
    episodes = await play(games)
    seconds = time.perf_counter() - began
    return Measured(seconds, sum(len(one.turns) for one in episodes), sum(one.won for one in episodes))


SIDES = {"lock-step": in_lock_step, "own pace": at_own_pace}


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
async def opened(c: Configuration, episodes: int, console: Console) -> AsyncIterator[Opened]:
    """Engines of planner and executor with the adapters that a run starts with, and this many games."""
    model = resolve_model(c.planner.model)
    with progress(console, "adapters") as report:
        pair = first_adapters(c, model, report)
    benchmark, tokenizer = load(c.environment), load_tokenizer(model.path)
    tasks = benchmark.tasks(c.orchestrator.split)
    engines = {role: make_engine(model, c.model_server(role)) for role in Role}
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
        yield found
    finally:
        for engine in engines.values():
            await engine.close()


async def compared(c: Configuration, flags: BenchmarkFlags, console: Console) -> dict[str, list[Measured]]:
    """Both sides in turn, as often as there are rounds."""
    found: dict[str, list[Measured]] = {name: [] for name in SIDES}
    async with opened(c, flags.episodes, console) as playing:
        for number in range(flags.rounds):
            for name, play in SIDES.items():
                with console.status(f"{name}, round {number + 1} of {flags.rounds}"):
                    found[name].append(await measured(play, playing.games))
                # The next side must not find the prompts of this one.
                await playing.forget()
    return found


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "rollout benchmark", BenchmarkFlags), Console()
    found = asyncio.run(compared(line.configuration, line.flags, console))
    table = Table("", "seconds", "turns", "turns/s", "won", title=f"{line.flags.episodes} episodes")
    for name, rounds in found.items():
        seconds = median(one.seconds for one in rounds)
        turns = median(one.turns for one in rounds)
        won = ", ".join(str(one.won) for one in rounds)
        table.add_row(name, f"{seconds:.1f}", f"{turns:.0f}", f"{turns / seconds:.1f}", won)
    console.print(table)
    slow, fast = found.values()
    ratios = [one.seconds / other.seconds for one, other in zip(slow, fast, strict=True)]
    console.print(
        f"lock-step takes {median(ratios):.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    return 0


if __name__ == "__main__":
    main(run)
