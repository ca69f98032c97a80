"""The pools of planners and executors, as the rest of the learner sees them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from configuration.run import PoolSettings
from core.errors import ClaimedError, HiperError, UnavailableError
from core.progress import Progress
from core.role import Role
from core.together import together
from learner.pool.member import Adapter, Limits
from learner.pool.membership import Membership, RunIdentity
from learner.pool.reconciler import Reconciler, Servers
from learner.pool.shared import TICK_SECONDS, SharedMembership
from serving.adapters.folder import folder_hash
from trajectory.pool import PoolTable, Replica

log = logging.getLogger(__name__)


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
        sleepers: Collection[Role] = (),
    ) -> None:
        """An orchestrator's report of bound episodes counts for `holder_seconds`.

        `first_pause`, in seconds, follows the first failed push to a server. The servers of the roles
        `sleepers` sleep during an update.
        """
        limits = Limits(
            settings.heartbeat_seconds, settings.expiry_seconds, settings.restarts, settings.steady_seconds
        )
        self.settings, self._run = settings, run
        self._members = Membership(run, limits, holder_seconds, clock())
        self._shared = SharedMembership(self._members, clock)
        self._reconciler = Reconciler(self._shared, servers, first_pause)
        self._servers, self._sleepers = servers, sleepers
        self._failure: HiperError | None = None
        self._closed = False
        self._missed: set[Role] = set()

    def heard(self, replica: Replica) -> None:
        """A server has described itself.

        Raises:
            PreconditionError: it has another base model than the run.
        """
        with self._shared.change() as now:
            self._members.heard(replica, now)

    def unreached(self, role: Role, address: str, reason: str) -> None:
        """The server at a listed address does not answer."""
        with self._shared.change() as now:
            self._members.unreached(role, address, reason, now)

    def refused(self, role: Role, address: str, reason: HiperError) -> None:
        """The server at a listed address cannot be used."""
        with self._shared.change() as now:
            self._members.refused(role, address, reason, now)

    def drain(self, address: str, undo: bool = False) -> None:
        """Gives a member no new episodes, or some again; raises `NotFoundError` if there is none."""
        with self._shared.change() as now:
            self._members.drain(address, now, undo)

    def report_loads(self, holder: str, episodes: Mapping[str, int]) -> None:
        """An orchestrator's number of episodes by the address of the server that they are bound to."""
        self._members.report_loads(holder, episodes, self._shared.now())

    def table(self) -> PoolTable:
        """All members now."""
        return self._members.table(self._shared.now())

    async def tables(self) -> AsyncIterator[PoolTable]:
        """The table now, each time that it changes, and at least once per heartbeat.

        They end with the block of `watched`.
        """
        while not self._closed:
            table = self.table()
            yield table
            over = partial(self._over_since, table.revision)
            await self._shared.bell.until(over, self.settings.heartbeat_seconds)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """At the end of the block, all `tables` end, which would otherwise keep a server from draining."""
        try:
            yield
        finally:
            self._closed = True
            self._shared.bell.ring()

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        """Has the servers of a role serve this adapter; returns once enough of them do.

        Enough are `pool.min_ready`, and all others that can be reached within `pool.grace_seconds`.

        Raises:
            UnavailableError: too few could be reached for `pool.patience_seconds`.
            HiperError: all have refused it for good; says why.
        """
        sha256 = await asyncio.to_thread(folder_hash, folder)
        adapter = Adapter(self._run.run_id, self._run.epoch, version, sha256, folder)
        with self._shared.change() as began:
            self._members.want(role, adapter, began)
        while not self._published(role, began):
            if error := self._obstacle(role, began):
                raise error
            self._report_missing(role, report)
            grace_left = began + self.settings.grace_seconds - self._shared.now()
            pause = min(grace_left, TICK_SECONDS) if grace_left > 0 else TICK_SECONDS
            await self._shared.bell.until(lambda: self._published(role, began), pause)

    async def sleep(self) -> None:
        """Has the servers of the roles that sleep give up their memory, until each is pushed a new version.

        A server that cannot sleep now is logged, and stays awake.

        Raises:
            PreconditionError: the configuration of a server does not let it sleep.
        """
        table = self.table()
        sleepers = [replica for role in self._sleepers for replica in table.present(role)]
        await together(*map(self._put_to_sleep, sleepers))

    async def _put_to_sleep(self, replica: Replica) -> None:
        try:
            await self._servers.sleep(replica.role, replica.address)
        except (UnavailableError, ClaimedError) as error:
            log.warning("it does not sleep during this update: %s", error)

    async def lost(self) -> HiperError:
        """Waits until a role has no server left, or has had none for too long; says why."""
        await self._shared.bell.until(lambda: self._failure is not None)
        assert self._failure is not None
        return self._failure

    async def run(self) -> None:
        """Pushes, and watches the time, until it is cancelled."""
        try:
            while True:
                self._reconciler.follow_members()
                seen = self._members.revision
                await self._shared.bell.until(partial(self._changed_since, seen), TICK_SECONDS)
                self._look_at_the_clock()
        except Exception as error:
            log.exception("the pools are not kept any more")
            self._fail(HiperError(f"{type(error).__name__}: {error}"))
            raise
        finally:
            await self._reconciler.end()

    def _look_at_the_clock(self) -> None:
        with self._shared.change() as now:
            self._members.refresh(now)
        for role in Role:
            if error := self._members.failure(role, now, self.settings.patience_seconds):
                self._fail(error)

    def _fail(self, error: HiperError) -> None:
        self._failure = self._failure or error
        self._shared.bell.ring()

    def _published(self, role: Role, began: float) -> bool:
        now = self._shared.now()
        if self._members.count(role, now) < self.settings.min_ready:
            return False
        return not self._members.catching_up(role, now) or now - began >= self.settings.grace_seconds

    def _obstacle(self, role: Role, began: float) -> HiperError | None:
        now, patience = self._shared.now(), self.settings.patience_seconds
        if error := self._members.failure(role, now, patience):
            return error
        ready, needed = self._members.count(role, now), self.settings.min_ready
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

    def _over_since(self, revision: int) -> bool:
        return self._closed or self._changed_since(revision)

    def _changed_since(self, revision: int) -> bool:
        return self._members.revision != revision
