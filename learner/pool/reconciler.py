"""Keeps all members at the adapters that they should serve: one task for each server.

Late joiners, restarted servers and failed pushes are one case: a server that does not hold what it should is
pushed it until it does. A newer version replaces one that is still on its way.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from core.errors import ExhaustedError, HiperError, UnavailableError
from core.role import Role
from core.together import cancelled
from learner.pool.member import Due
from learner.pool.membership import Key
from learner.pool.shared import SharedMembership

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 5.0
"""Seconds; pauses between two failed pushes to a server grow to this."""
_MOST_GROWTH = 10
"""Number of failures after which pauses grow no more."""


class Servers(Protocol):
    """Reaches the model servers."""

    async def push(self, due: Due) -> str:
        """Pushes an adapter once; returns the incarnation that answers new calls with it.

        Raises:
            UnavailableError: the server could not take it now.
            ExhaustedError: it has no room now.
            HiperError: it will never take it.
        """

    async def sleep(self, role: Role, address: str) -> None:
        """Has a server sleep until it is pushed another adapter.

        Raises:
            UnavailableError: the server cannot now.
            PreconditionError: its configuration does not let it; a `ClaimedError` if it is another run's.
        """

    async def forget(self, role: Role, address: str) -> None:
        """Closes the connection to a server that is gone."""


class Reconciler:
    """Pushes whatever is due to whomever. Used in one event loop."""

    def __init__(self, shared: SharedMembership, servers: Servers, first_pause: float) -> None:
        """`first_pause`, in seconds, follows the first failed push to a server."""
        self._shared, self._servers, self._first_pause = shared, servers, first_pause
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def follow_members(self) -> None:
        """Begins to push to members that are new; raises the error of a task that has failed."""
        for key in self._shared.members.keys - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._follow(key))
        for key, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[key]
                task.result()

    async def end(self) -> None:
        """Ends all pushes."""
        await cancelled(*self._tasks.values())

    async def _follow(self, key: Key) -> None:
        """Pushes to one server whatever it lacks, until it is forgotten."""
        failures = 0
        while key in self._shared.members.keys:
            due = self._due(key)
            if due is None:
                failures = 0
                await self._shared.bell.until(lambda: self._due(key) is not None or self._forgotten(key))
            elif await self._push(key, due):
                failures = 0
            else:
                pause = min(_LONGEST_PAUSE, self._first_pause * 2.0 ** min(failures, _MOST_GROWTH))
                failures += 1
                await self._until_other(key, due, pause)
        await self._servers.forget(*key)

    async def _push(self, key: Key, due: Due) -> bool:
        """Makes one attempt, which ends when something else is due; returns False if it has failed."""
        with self._shared.change() as now:
            self._shared.members.pushing(due, now)
        attempt = asyncio.ensure_future(self._servers.push(due))
        overtaken = asyncio.ensure_future(self._until_other(key, due))
        try:
            await asyncio.wait((attempt, overtaken), return_when=asyncio.FIRST_COMPLETED)
            return self._settled(due, attempt) if attempt.done() else True
        finally:
            await cancelled(attempt, overtaken)

    def _settled(self, due: Due, attempt: asyncio.Future[str]) -> bool:
        with self._shared.change() as now:
            try:
                incarnation = attempt.result()
            except (UnavailableError, ExhaustedError) as error:
                log.info("a push to %s is made again: %s", due.address, error)
                self._shared.members.troubled(due, str(error))
                return False
            except HiperError as error:
                self._shared.members.rejected(due, error, now)
                return True
            if incarnation == due.incarnation:
                self._shared.members.acknowledged(due, now)
            return incarnation == due.incarnation

    def _due(self, key: Key) -> Due | None:
        return self._shared.members.due(key, self._shared.now())

    def _forgotten(self, key: Key) -> bool:
        return key not in self._shared.members.keys

    async def _until_other(self, key: Key, due: Due, seconds: float | None = None) -> None:
        await self._shared.bell.until(lambda: self._due(key) != due, seconds)
