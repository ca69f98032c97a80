"""The learner's connections to all model servers, opened when they are first used."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from core.errors import PreconditionError
from core.role import Role
from serving.adapters.claims import CALL_SECONDS, ServerClaims
from serving.adapters.client import AdapterClient
from serving.adapters.sender import AdapterSender, Shipment, Target
from serving.rpc.codes import reason_of
from serving.rpc.connection import Connection, Server, explained
from serving.rpc.retry import RetryPolicy
from trajectory.pool import Replica

_SLEEP_SECONDS = 60.0
"""Time in which running answers end and tens of gigabytes are copied to the machine's memory."""

OpenChannel = Callable[[Role, str], grpc.aio.Channel]
"""Opens a channel to the server of a role at an address."""


class ReplicaConnections:
    """One channel for each server."""

    def __init__(
        self, open_channel: OpenChannel, sender: AdapterSender, claims: ServerClaims | None, seconds: float
    ) -> None:
        """A server must describe itself within `seconds`."""
        self._open, self._sender, self._claims = open_channel, sender, claims
        self._seconds = seconds
        self._channels: dict[tuple[Role, str], grpc.aio.Channel] = {}

    async def describe(self, role: Role, address: str) -> Replica:
        """Asks a server that should have this role for its state; a `HiperError` names the server.

        Raises:
            PreconditionError: a server is there, but it is no model server.
        """
        connection = Connection(
            self._channel(role, address), Server(role.value, address), self._seconds, RetryPolicy(0.0)
        )
        state = await AdapterClient(connection).state()
        if state.role not in [each.value for each in Role]:
            raise PreconditionError(f"the server at {address} does not say its role")
        return Replica(
            role=Role(state.role),
            address=address,
            incarnation=state.incarnation,
            node=state.node,
            base_model=state.base_model,
            run_id=state.run_id,
            epoch=state.epoch,
            version=state.version,
            sha256=state.sha256,
            generated_tokens=state.generated_tokens,
        )

    async def push(self, address: str, shipment: Shipment) -> str:
        """Sends an adapter once; returns the incarnation that answers new calls with it.

        Raises:
            UnavailableError: the server cannot take it now.
            PreconditionError: the server has refused it; a `ClaimedError` if another run has claimed it.
        """
        channel = self._channel(shipment.role, address)
        return await self._sender.send(Target(address, channel), shipment)

    async def sleep(self, role: Role, address: str) -> None:
        """Claims a server, and has it sleep until it is pushed another adapter; a `HiperError` names it.

        Raises:
            UnavailableError: the server cannot sleep now.
            PreconditionError: its configuration does not let it sleep; a `ClaimedError` if another run has
                claimed it.
        """
        channel, server = self._channel(role, address), Server(role.value, address)
        if self._claims is not None:
            try:
                await self._claims.claim(channel)
            except grpc.aio.AioRpcError as error:
                raise explained(
                    server, error.code(), error.details() or "", CALL_SECONDS, reason_of(error)
                ) from error
        connection = Connection(channel, server, _SLEEP_SECONDS, RetryPolicy(0.0))
        await AdapterClient(connection).sleep(self._sender.run_id)

    async def forget(self, role: Role, address: str) -> None:
        """Closes the channel to a server; it is opened anew if it is needed again."""
        if channel := self._channels.pop((role, address), None):
            if self._claims is not None:
                self._claims.forget(channel)
            await channel.close()

    async def close(self) -> None:
        """Closes all channels."""
        for key in list(self._channels):
            await self.forget(*key)

    def _channel(self, role: Role, address: str) -> grpc.aio.Channel:
        if (role, address) not in self._channels:
            self._channels[role, address] = self._open(role, address)
        return self._channels[role, address]
