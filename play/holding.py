"""Renews the leases of the episodes that are being played, and ends those episodes whose lease has lapsed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from core.together import cancelled, guarded
from trajectory.lease import Lease

ResultT = TypeVar("ResultT")

Renew = Callable[[Sequence[Lease]], Awaitable[Collection[str]]]
"""Renews leases; returns the ids of those that have lapsed."""


class HeldLeases:
    """The leases of one orchestrator. Called from one event loop."""

    def __init__(self, renew: Renew, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._renew, self._sleep = renew, sleep
        self._held: dict[str, Lease] = {}
        self._playing: dict[str, asyncio.Task[Any]] = {}
        self._some = asyncio.Event()

    def hold(self, lease: Lease) -> None:
        """From now on the lease is renewed, if it is one that lapses."""
        if lease.seconds:
            self._held[lease.lease_id] = lease
            self._some.set()

    def release(self, lease: Lease) -> None:
        """The lease is not renewed any more."""
        self._held.pop(lease.lease_id, None)
        if not self._held:
            self._some.clear()

    async def unless_lapsed(self, lease: Lease, work: Coroutine[Any, Any, ResultT]) -> ResultT | None:
        """The result of the work; None if the lease lapsed first, which cancels the work."""
        task = self._playing[lease.lease_id] = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task,))
        finally:
            del self._playing[lease.lease_id]
            # It must have left the environment before this is used again.
            await cancelled(task)
        return None if task.cancelled() else task.result()

    async def renewed_during(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The result of the work, during which all leases that are held are renewed.

        Raises:
            HiperError: the leases could not be renewed; the work is cancelled.
        """
        return await guarded(work, self._keep())

    async def _keep(self) -> None:
        while True:
            await self._some.wait()
            if not self._held:  # released since the waiting ended
                continue
            # Two renewals may be late before a lease lapses.
            await self._sleep(min(lease.seconds for lease in self._held.values()) / 3)
            if leases := tuple(self._held.values()):
                for lease_id in await self._renew(leases):
                    if task := self._playing.get(lease_id):
                        task.cancel()
