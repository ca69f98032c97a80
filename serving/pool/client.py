"""A typed client of the learner's pool service, for model servers."""

from __future__ import annotations

from hiper.v1 import pool_pb2, pool_pb2_grpc

from serving.rpc.connection import Connection
from trajectory.pool import Replica
from trajectory.pool_wire import replica_to_pb


class PoolClient:
    """Registers a model server."""

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
