"""Pushes what the pools say is due over the connections to the model servers."""

from __future__ import annotations

from dataclasses import dataclass

from core.role import Role
from learner.pool.member import Due
from serving.adapters.replicas import ReplicaConnections
from serving.adapters.sender import Shipment


@dataclass(frozen=True)
class PoolServers:
    """The model servers behind real connections."""

    connections: ReplicaConnections

    async def push(self, due: Due) -> str:
        """Pushes an adapter once; returns the incarnation that answers new calls with it."""
        adapter = due.adapter
        shipment = Shipment(due.role, adapter.version, adapter.sha256, adapter.folder)
        return await self.connections.push(due.address, shipment)

    async def sleep(self, role: Role, address: str) -> None:
        """Has a server sleep until it is pushed another adapter."""
        await self.connections.sleep(role, address)

    async def forget(self, role: Role, address: str) -> None:
        """Closes the connection to a server that is gone."""
        await self.connections.forget(role, address)
