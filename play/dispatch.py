"""Plays many episodes at the same time: leases, plays and submits each, until the run has all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.together import together
from environments.benchmark import Benchmark, Task, TextEnvironment
from play.players import Players
from play.schedule import task_for
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, Wait

_SHORTEST_WAIT = 0.05
"""Shortest time, in seconds, before a learner that said to wait is asked again."""


class Episodes(Protocol):
    """Grants leases and accepts episodes: the learner, or an evaluation."""

    async def lease(self) -> Lease | Wait | Finished: ...

    async def submit(self, episode: Episode) -> bool: ...


class Observer(Protocol):
    """Gets the events of all episodes, for the display."""

    def episode_began(self) -> None: ...

    def episode_left(self) -> None:
        """Called when an episode has ended, finished or not."""

    def episode(self, episode: Episode) -> None:
        """Called when an episode was acknowledged."""


@dataclass(frozen=True)
class Dispatcher:
    """Plays the episodes that are leased."""

    episodes: Episodes
    players: Players
    benchmark: Benchmark
    tasks: Sequence[Task]
    concurrency: int
    """Number of episodes at the same time."""
    observer: Observer
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self) -> None:
        """Returns when the learner says that the run has all its episodes.

        Raises:
            HiperError: a server failed despite retries. Other episodes are cancelled; their leases expire.
        """
        await together(*(self._worker() for _ in range(self.concurrency)))

    async def _worker(self) -> None:
        environment = self.benchmark.environment()
        try:
            await self._play_all(environment)
        finally:
            environment.close()

    async def _play_all(self, environment: TextEnvironment) -> None:
        while True:
            match await self.episodes.lease():
                case Finished():
                    return
                case Wait(seconds=seconds):
                    await self.sleep(max(seconds, _SHORTEST_WAIT))
                case Lease() as lease:
                    await self._episode(lease, environment)

    async def _episode(self, lease: Lease, environment: TextEnvironment) -> None:
        task = task_for(self.tasks, lease.task_seed, lease.group)
        self.observer.episode_began()
        try:
            episode = await self.players.play(lease, task, environment)
        finally:
            self.observer.episode_left()
        await self.episodes.submit(episode)
        self.observer.episode(episode)
