"""Keeps all members of both pools at the adapters that they should serve: one task for each server.

Late joiners, restarted servers and failed pushes are one case: a server that does not hold what it should is
pushed it until it does. A newer version replaces one that is still on its way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from configuration.run import PoolSettings
from core.errors import ExhaustedError, HiperError, UnavailableError
from core.progress import Progress
from core.role import Role
from learner.pool.bell import Bell
from learner.pool.member import Adapter, Due, Limits
from learner.pool.membership import Key, Membership, RunIdentity
from serving.adapters.folder import folder_hash
from trajectory.pool import PoolTable, Replica

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
"""Time between two looks at the clock, for what changes only because time passes."""
_LONGEST_PAUSE = 5.0
"""Seconds; pauses between two failed pushes to a server grow to this."""


class Servers(Protocol):
    """Reaches the model servers."""

    async def push(self, due: Due) -> str:
        """Pushes an adapter once; returns the incarnation that answers new calls with it.

        Raises:
            UnavailableError: the server could not take it now.
            ExhaustedError: it has no room now.
            HiperError: it will never take it.
        """

    async def forget(self, role: Role, address: str) -> None:
        """Closes the connection to a server that is gone."""


class ReplicaPool:
    """The pools of a run. `run` must run beside; everything is called from one event loop."""

    def __init__(
        self,
        run: RunIdentity,
        servers: Servers,
        settings: PoolSettings,
        holder_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        first_pause: float = 0.5,
    ) -> None:
        """Orchestrators report their bound episodes at least every `holder_seconds`.

        `first_pause`, in seconds, follows the first failed push to a server.
        """
        limits = Limits(
            settings.heartbeat_seconds, settings.expiry_seconds, settings.restarts, settings.steady_seconds
        )
        self._epoch, self._run_id = run.epoch, run.run_id
        self._looked = clock()
        self._members = Membership(run, limits, holder_seconds, self._looked)
        self._servers, self._settings, self._clock = servers, settings, clock
        self._first_pause = first_pause
        self._bell, self._shown = Bell(), 0
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._failure: HiperError | None = None
        self._closed = False
        self._missed: set[Role] = set()

    @property
    def settings(self) -> PoolSettings:
        return self._settings

    def heard(self, replica: Replica) -> None:
        """A server has described itself.

        Raises:
            PreconditionError: it has another base model than the run.
        """
        try:
            self._members.heard(replica, self._now())
        finally:
            self._ring_if_changed()

    def unreached(self, role: Role, address: str, reason: str) -> None:
        """The server at a listed address does not answer."""
        self._members.unreached(role, address, reason, self._now())
        self._ring_if_changed()

    def refused(self, role: Role, address: str, reason: HiperError) -> None:
        """The server at a listed address will never do."""
        self._members.refused(role, address, reason, self._now())
        self._ring_if_changed()

    def drain(self, address: str, undo: bool = False) -> None:
        """Gives a member no new episodes, or some again; raises `NotFoundError` if there is none."""
        self._members.drain(address, self._now(), undo)
        self._ring_if_changed()

    def report_loads(self, holder: str, episodes: Mapping[str, int]) -> None:
        """An orchestrator's number of episodes by the address of the server that they are bound to."""
        self._members.report_loads(holder, episodes, self._now())

    def table(self) -> PoolTable:
        """All members now."""
        return self._members.table(self._now())

    async def tables(self) -> AsyncIterator[PoolTable]:
        """The table now, each time that it changes, and at least once per heartbeat.

        They end with the block of `watched`.
        """
        while not self._closed:
            table = self.table()
            yield table
            await self._bell.until(
                lambda seen=table.revision: self._closed or self._members.revision != seen,  # type: ignore[misc]
                self._settings.heartbeat_seconds,
            )

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """At the end of the block, all `tables` end, which would otherwise keep a server from draining."""
        try:
            yield
        finally:
            self._closed = True
            self._bell.ring()

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        """Has the servers of a role serve this adapter; returns once enough of them do.

        Enough are `pool.min_ready`, and all others that can be reached within `pool.grace_seconds`.

        Raises:
            UnavailableError: too few could be reached for `pool.patience_seconds`.
            HiperError: all have refused it for good; says why.
        """
        sha256 = await asyncio.to_thread(folder_hash, folder)
        adapter = Adapter(self._run_id, self._epoch, version, sha256, folder)
        self._members.want(role, adapter, began := self._now())
        self._ring_if_changed()
        while not self._published(role, began):
            if error := self._obstacle(role, began):
                raise error
            self._report_missing(role, report)
            left = began + self._settings.grace_seconds - self._now()
            pause = min(left, _TICK_SECONDS) if left > 0 else _TICK_SECONDS
            await self._bell.until(lambda: self._published(role, began), pause)

    async def lost(self) -> HiperError:
        """Waits until a role has no server left, or has had none for too long; says why."""
        await self._bell.until(lambda: self._failure is not None)
        assert self._failure is not None
        return self._failure

    async def run(self) -> None:
        """Pushes, and watches the time, until it is cancelled."""
        try:
            while True:
                self._follow_members()
                seen = self._members.revision
                await self._bell.until(lambda: self._members.revision != seen, _TICK_SECONDS)  # noqa: B023
                self._tick()
        except Exception as error:
            log.exception("the pools are not kept any more")
            self._failure = HiperError(f"{type(error).__name__}: {error}")
            self._bell.ring()
            raise
        finally:
            await _end(self._tasks.values())

    def _now(self) -> float:
        """The time, after a look at how long this process was held up: nobody could be heard then."""
        now = self._clock()
        if (late := now - self._looked - 2 * _TICK_SECONDS) > 0:
            self._members.excuse(late, now)
        self._looked = now
        return now

    def _tick(self) -> None:
        now = self._now()
        self._members.refresh(now)
        for role in Role:
            self._failure = self._failure or self._members.failure(role, now, self._settings.patience_seconds)
        self._ring_if_changed(always=self._failure is not None)

    def _follow_members(self) -> None:
        for key in self._members.keys - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._follow(key))
        for key, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[key]
                task.result()

    async def _follow(self, key: Key) -> None:
        """Pushes to one server whatever it lacks, until it is forgotten."""
        failures = 0
        while key in self._members.keys:
            due = self._members.due(key, self._now())
            if due is None:
                failures = 0
                await self._bell.until(lambda: self._due(key) is not None or key not in self._members.keys)
            elif await self._push(key, due):
                failures = 0
            else:
                pause = min(_LONGEST_PAUSE, self._first_pause * 2 ** min(failures, 10))
                failures += 1
                await self._bell.until(lambda: self._due(key) != due, pause)  # noqa: B023
        await self._servers.forget(*key)

    async def _push(self, key: Key, due: Due) -> bool:
        """Makes one attempt, which ends when something else is due; returns whether it was successful."""
        self._members.pushing(due, self._now())
        self._ring_if_changed()
        attempt = asyncio.ensure_future(self._servers.push(due))
        overtaken = asyncio.ensure_future(self._bell.until(lambda: self._due(key) != due))
        try:
            await asyncio.wait((attempt, overtaken), return_when=asyncio.FIRST_COMPLETED)
            return self._settled(due, attempt) if attempt.done() else True
        finally:
            await _end((attempt, overtaken))

    def _settled(self, due: Due, attempt: asyncio.Future[str]) -> bool:
        now = self._now()
        try:
            incarnation = attempt.result()
            if incarnation == due.incarnation:
                self._members.acknowledged(due, now)
            return incarnation == due.incarnation
        except (UnavailableError, ExhaustedError) as error:
            log.info("a push is tried again: %s", error)
            self._members.troubled(due, str(error))
            return False
        except HiperError as error:
            log.warning("no more is pushed to it: %s", error)
            self._members.rejected(due, error, now)
            return True
        finally:
            self._ring_if_changed()

    def _due(self, key: Key) -> Due | None:
        return self._members.due(key, self._now())

    def _published(self, role: Role, began: float) -> bool:
        now = self._now()
        if self._members.count(role, now) < self._settings.min_ready:
            return False
        return not self._members.catching_up(role, now) or now - began >= self._settings.grace_seconds

    def _obstacle(self, role: Role, began: float) -> HiperError | None:
        now, patience = self._now(), self._settings.patience_seconds
        if error := self._members.failure(role, now, patience):
            return error
        ready, needed = self._members.count(role, now), self._settings.min_ready
        if ready >= needed or now - began <= patience:
            return None
        return UnavailableError(
            f"{ready} of {needed} servers (pool.min_ready) of the role {role.value} are ready after "
            f"{patience:g} s (pool.patience_seconds)"
        )

    def _report_missing(self, role: Role, report: Progress) -> None:
        if self._members.known(role):
            return
        message = (
            f"no {role.value} is known: waiting for one to register. Start it with --learner.address "
            f"HOST:PORT, the address of this learner; or start the learner with --{role.value}.address"
        )
        report(0.0, message)
        if role not in self._missed:
            self._missed.add(role)
            log.warning(message)

    def _ring_if_changed(self, always: bool = False) -> None:
        if always or self._members.revision != self._shown:
            self._shown = self._members.revision
            self._bell.ring()


async def _end(tasks: Any) -> None:
    """Cancels the tasks, and waits until they have ended."""
    for task in (tasks := tuple(tasks)):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
