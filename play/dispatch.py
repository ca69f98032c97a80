"""Plays many episodes at the same time: leases, plays and submits each, until the run has all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core import tracing
from core.errors import LapsedError
from core.together import together
from environments.benchmark import Benchmark, Task, TextEnvironment
from environments.errors import BrokenEnvironmentError
from play.holding import HeldLeases
from play.players import Players
from play.schedule import task_for
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, TaskPart, Wait

log = logging.getLogger(__name__)

_SHORTEST_WAIT = 0.05
"""Shortest time, in seconds, before a learner that said to wait is asked again."""


class Episodes(Protocol):
    """Grants leases and accepts episodes: the learner, or an evaluation."""

    async def lease(self) -> Lease | Wait | Finished: ...

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        """Renews leases; ids of those that have lapsed."""

    async def submit(self, episode: Episode) -> bool: ...

    async def set_aside(self, lease: Lease, reason: str) -> None:
        """Leaves the lease's place without an episode, because its environment broke its contract."""


class Observer(Protocol):
    """Gets the events of all episodes, for the display."""

    def episode_began(self) -> None: ...

    def episode_left(self) -> None:
        """Called when an episode has ended, finished or not."""

    def episode(self, episode: Episode) -> None:
        """Called when an episode was acknowledged."""

    def set_aside(self, reason: str) -> None:
        """Called when an environment has broken its contract; the reason names task and turn."""


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
    parts: Sequence[TaskPart] = ()
    """Parts of the tasks, if they are those of several environments and played by their shares."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self) -> None:
        """Returns when the learner says that the run has all its episodes.

        Raises:
            HiperError: a server failed for good, an episode was refused, or too many episodes were set
                aside. The other episodes are cancelled; their leases lapse.
        """
        held = HeldLeases(self.episodes.renew, self.sleep)
        await held.renewed_during(together(*(self._worker(held) for _ in range(self.concurrency))))

    async def _worker(self, held: HeldLeases) -> None:
        while await self._until_broken(held):
            pass

    async def _until_broken(self, held: HeldLeases) -> bool:
        """Plays in one environment until it breaks its contract; False if the run has all its episodes."""
        environment = self.benchmark.environment()
        try:
            while True:
                match await self.episodes.lease():
                    case Finished():
                        return False
                    case Wait(seconds=seconds):
                        await self.sleep(max(seconds, _SHORTEST_WAIT))
                    case Lease() as lease:
                        if not await self._played(lease, environment, held):
                            return True
        finally:
            # One that is broken may not even close; and nothing depends on it any more.
            with contextlib.suppress(Exception):
                environment.close()

    async def _played(self, lease: Lease, environment: TextEnvironment, held: HeldLeases) -> bool:
        """Plays an episode, and holds its lease meanwhile; False if the environment broke its contract."""
        held.hold(lease)
        try:
            await self._episode(lease, environment, held)
        except LapsedError as error:
            log.info("%s", error)
        except BrokenEnvironmentError as error:
            log.info("%s", error, exc_info=error.__cause__)
            await self._set_aside(lease, str(error))
            return False
        finally:
            held.release(lease)
        return True

    async def _set_aside(self, lease: Lease, reason: str) -> None:
        self.observer.set_aside(reason)
        try:
            await self.episodes.set_aside(lease, reason)
        except LapsedError as error:
            log.info("%s", error)

    async def _episode(self, lease: Lease, environment: TextEnvironment, held: HeldLeases) -> None:
        task = task_for(self.tasks, lease.task_seed, lease.group, self.parts)
        with tracing.span("episode", _attributes(lease, task)) as span:
            episode = await self._submitted(lease, task, environment, held)
            span.set_attributes({"hiper.outcome": episode.ending, "hiper.turns": len(episode.turns)})
        self.observer.episode(episode)

    async def _submitted(
        self, lease: Lease, task: Task, environment: TextEnvironment, held: HeldLeases
    ) -> Episode:
        self.observer.episode_began()
        try:
            episode = await held.unless_lapsed(lease, self.players.play(lease, task, environment))
        finally:
            self.observer.episode_left()
        if episode is None:
            raise LapsedError(f"lease {lease.lease_id} has lapsed while its episode was played")
        # Not cancelled where the lease lapses now: the episode may be stored already, and the answer lost.
        with tracing.span("submit"):
            await self.episodes.submit(episode)
        return episode


def _attributes(lease: Lease, task: Task) -> tracing.Attributes:
    return {
        "hiper.run_id": lease.run_id,
        "hiper.episode": lease.number,
        "hiper.attempt": lease.attempt,
        "hiper.task": task.id,
        "hiper.task_type": task.type,
    }
