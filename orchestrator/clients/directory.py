"""The table of the model servers, as the learner sends it, and the pickers that choose by it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from core.errors import HiperError
from core.role import Role
from play.picker import Picker
from serving.pool.client import PoolClient
from serving.rpc.connection import Connection
from serving.rpc.retry import WORTH_RETRYING
from trajectory.pool import Member, MemberState, PoolTable, Replica

log = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1.0
"""Longest pause before the learner is asked for its table again."""


class Directory:
    """The newest table. Called from one event loop."""

    def __init__(self, table: PoolTable | None = None) -> None:
        self.table = PoolTable()
        self.pickers = {role: Picker(role) for role in Role}
        self.failure: HiperError | None = None
        """Reason why there will never be a newer table; None as long as there may be one."""
        self._changed = asyncio.Event()
        if table is not None:
            self.put(table)

    @property
    def loads(self) -> Mapping[str, int]:
        """Number of bound episodes by address."""
        return sum((picker.loads for picker in self.pickers.values()), Counter())

    def put(self, table: PoolTable) -> None:
        """Replaces the table; wakes those who wait in `changed` if other servers are ready now."""
        before = [picker.ready for picker in self.pickers.values()]
        self.table = table
        for picker in self.pickers.values():
            picker.update(table)
        if before != [picker.ready for picker in self.pickers.values()]:
            self._wake()

    def fail(self, error: HiperError) -> None:
        """There will be no newer table."""
        self.failure = error
        self._wake()

    async def changed(self) -> None:
        """Returns when other servers are ready than now."""
        await self._changed.wait()

    def addresses(self, role: Role) -> frozenset[str]:
        """Addresses of all servers of a role that may be there."""
        return frozenset(replica.address for replica in self.table.present(role))

    def described(self, role: Role) -> str:
        """The state of each server of a role in words."""
        members = [member for member in self.table.members if member.replica.role is role]
        return "; ".join(map(_described, members)) or "none has registered"

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _described(member: Member) -> str:
    reason = f" ({member.reason})" if member.reason else ""
    return f"{member.replica.address} is {member.state.value}{reason}"


def static_table(addresses: Mapping[Role, Sequence[str]]) -> PoolTable:
    """A table in which the servers at these addresses are ready, for use without a learner."""
    return PoolTable(
        members=tuple(
            Member(Replica(role, address, incarnation="static"), MemberState.READY)
            for role, those in addresses.items()
            for address in those
        )
    )


async def watch_pool(
    learner: Connection, directory: Directory, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Puts each table that the learner sends into the directory, until this is cancelled.

    While the learner is away, its last table stays. If it refuses to send tables, the directory fails.
    """
    client, jitter = PoolClient(learner), random.Random(learner.server.address)
    while True:
        try:
            async for table in client.tables():
                directory.put(table)
        except WORTH_RETRYING as error:
            log.info("the last table of the servers stays: %s", error)
        except HiperError as error:
            return directory.fail(error)
        await sleep(_RECONNECT_SECONDS * (0.5 + 0.5 * jitter.random()))
