"""The orchestrator of a simulation: the real one, with a choice of how it picks servers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from configuration.tree import Configuration
from core.role import Role
from core.together import cancelled
from environments.benchmark import Benchmark, Task
from orchestrator.clients.directory import Directory, watch_pool
from orchestrator.clients.learner import EpisodeClient
from orchestrator.servers.connections import connect
from orchestrator.servers.pools import ModelPools
from play.dispatch import Dispatcher
from play.picker import Picker
from play.schedule import identity
from trajectory.episode import Episode, Turn


class RoundRobin(Picker):
    """Gives each call to the next server, whichever episode it belongs to."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._turn = itertools.count()

    def pick(self, episode: str, but: Collection[str] = ()) -> str | None:
        others = sorted(self.ready - set(but))
        return others[next(self._turn) % len(others)] if others else None


@dataclass
class Counted:
    """What was played."""

    turns: int = 0
    episodes: list[Episode] = field(default_factory=list)

    def episode_began(self) -> None:
        """Not counted."""

    def episode_left(self) -> None:
        """Not counted."""

    def episode(self, episode: Episode) -> None:
        self.episodes.append(episode)

    def set_aside(self, reason: str) -> None:
        """Not counted."""

    def turn(self, turn: Turn) -> None:
        self.turns += 1


@dataclass(frozen=True)
class Played:
    """A time of playing."""

    turns: int
    episodes: tuple[Episode, ...]
    seconds: float
    processor_seconds: float
    """Time that the orchestrator computed; close to `seconds`, it is what limits the others."""

    @property
    def turns_per_second(self) -> float:
        return self.turns / self.seconds


async def play(
    configuration: Configuration,
    benchmark: Benchmark,
    tasks: Sequence[Task],
    learner: str,
    warm_up: float,
    seconds: float,
    sticky: bool,
) -> Played:
    """Plays for some seconds, and counts after the first `warm_up` ones."""
    connection = await connect(configuration, "learner", learner)
    directory, counted = Directory(), Counted()
    if not sticky:
        directory.pickers = {role: RoundRobin(role) for role in Role}
    pools = ModelPools.of(configuration, directory)
    dispatcher = Dispatcher(
        episodes=EpisodeClient(connection, "simulation", identity(tasks), lambda: directory.loads),
        players=pools.players(configuration, benchmark, on_turn=counted.turn, fenced=True),
        benchmark=benchmark,
        tasks=tasks,
        concurrency=configuration.orchestrator.concurrency,
        observer=counted,
    )
    tasks_running = [
        asyncio.create_task(work) for work in (watch_pool(connection, directory), dispatcher.run())
    ]
    try:
        await asyncio.sleep(warm_up)
        before, begun = (counted.turns, len(counted.episodes)), time.monotonic()
        computed = time.process_time()
        await asyncio.wait(tasks_running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks_running:
            if task.done():
                task.result()
        turns, episodes = counted.turns - before[0], counted.episodes[before[1] :]
        computed = time.process_time() - computed
        return Played(turns, tuple(episodes), time.monotonic() - begun, computed)
    finally:
        await cancelled(*tasks_running)
        await pools.planners.close()
        await pools.executors.close()
        await connection.channel.close()
