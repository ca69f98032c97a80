"""Asks the servers whose addresses are in the configuration for their state: their heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import HiperError, PreconditionError
from core.role import Role
from core.together import together
from learner.pool.pool import ReplicaPool
from trajectory.pool import Replica


@dataclass(frozen=True)
class ListedServers:
    """The static members of both pools."""

    pool: ReplicaPool
    describe: Callable[[Role, str], Awaitable[Replica]]
    """Function that asks the server at an address for its state."""
    addresses: Mapping[Role, Sequence[str]]
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self) -> None:
        """Asks all servers, once per heartbeat, until it is cancelled."""
        listed = [(role, address) for role, addresses in self.addresses.items() for address in addresses]
        await together(*(self._watch(role, address) for role, address in listed))

    async def _watch(self, role: Role, address: str) -> None:
        while True:
            await self._ask(role, address)
            await self.sleep(self.pool.settings.heartbeat_seconds)

    async def _ask(self, role: Role, address: str) -> None:
        try:
            replica = await self.describe(role, address)
            if replica.role is not role:
                raise PreconditionError(
                    f"the server at {address} has the role {replica.role.value}; "
                    f"--{role.value}.address names it"
                )
            self.pool.heard(replica)
        except PreconditionError as error:
            self.pool.refused(role, address, error)
        except HiperError as error:
            self.pool.unreached(role, address, str(error))
