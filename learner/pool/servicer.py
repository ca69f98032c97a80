"""The gRPC service hiper.v1.PoolService, which passes calls on to the pools of the run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from hiper.v1 import pool_pb2, pool_pb2_grpc

from core.role import Role
from learner.pool.pool import ReplicaPool
from serving.rpc.access import Peer, check_peer
from trajectory.pool_wire import replica_from_pb, table_to_pb

_PEERS = {Role.PLANNER: Peer.PLANNER, Role.EXECUTOR: Peer.EXECUTOR}


class PoolServicer(pool_pb2_grpc.PoolServiceServicer):
    """Takes registrations, and shows the table."""

    def __init__(self, pool: ReplicaPool) -> None:
        self._pool = pool

    async def Register(
        self, request: pool_pb2.RegisterRequest, context: grpc.aio.ServicerContext
    ) -> pool_pb2.RegisterResponse:
        replica = replica_from_pb(request.replica)
        check_peer("the registration", context.auth_context(), _PEERS[replica.role])
        self._pool.heard(replica)
        settings = self._pool.settings
        return pool_pb2.RegisterResponse(
            heartbeat_seconds=settings.heartbeat_seconds, expiry_seconds=settings.expiry_seconds
        )

    async def WatchPool(
        self, request: pool_pb2.WatchPoolRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pool_pb2.PoolTable]:
        if request.once:
            yield table_to_pb(self._pool.table())
            return
        async for table in self._pool.tables():
            yield table_to_pb(table)

    async def Drain(
        self, request: pool_pb2.DrainRequest, context: grpc.aio.ServicerContext
    ) -> pool_pb2.DrainResponse:
        self._pool.drain(request.address, request.undo)
        return pool_pb2.DrainResponse()
