"""A typed client of the learner's service for the pools of model servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from hiper.v1 import pool_pb2, pool_pb2_grpc

from serving.rpc.codes import reason_of
from serving.rpc.connection import Connection, explained
from trajectory.pool import PoolTable, Replica
from trajectory.pool_wire import replica_to_pb, table_from_pb


class PoolClient:
    """Registers a model server; reads the table of all, and drains them."""

    def __init__(self, connection: Connection) -> None:
        self._stub = pool_pb2_grpc.PoolServiceStub(connection.channel)
        self._connection = connection

    async def register(self, replica: Replica) -> float:
        """Registers the server once; returns the seconds until it should be done again.

        A `HiperError` names the learner.
        """
        request = pool_pb2.RegisterRequest(replica=replica_to_pb(replica))
        response = await self._connection.call(self._stub.Register, request)
        return float(response.heartbeat_seconds)

    async def tables(self, once: bool = False) -> AsyncIterator[PoolTable]:
        """The table now and, unless `once`, whenever it changes; a `HiperError` names the server."""
        try:
            async for message in self._stub.WatchPool(pool_pb2.WatchPoolRequest(once=once)):
                yield table_from_pb(message)
        except grpc.aio.AioRpcError as error:
            server, details = self._connection.server, error.details() or ""
            raise explained(server, error.code(), details, 0.0, reason_of(error)) from error

    async def drain(self, address: str, undo: bool = False) -> None:
        """Gives the server at this address no new episodes, or with `undo` gives it episodes again.

        Raises:
            NotFoundError: no server of the pools has this address; names those there are.
        """
        request = pool_pb2.DrainRequest(address=address, undo=undo)
        await self._connection.call(self._stub.Drain, request)
