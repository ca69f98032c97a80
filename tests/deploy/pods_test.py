"""The commands that Kubernetes runs in the pods of servers, against real services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hiper.v1 import pool_pb2_grpc

from configuration.run import PoolSettings
from configuration.servers import ServerSettings, TlsSettings
from core.errors import ConfigurationError, UnavailableError
from core.role import Role
from deploy.pods import drain as drain_command
from deploy.pods.draining import drain
from deploy.pods.health import Sections, check
from learner.pool.member import Due
from learner.pool.membership import RunIdentity
from learner.pool.pool import ReplicaPool
from learner.pool.servicer import PoolServicer
from serving.rpc.server import GrpcServer, Service
from trajectory.pool import MemberState, Replica

ADDRESS = "10.0.0.7:7002"
PLAIN = TlsSettings()


class NoServers:
    """Nothing is published here."""

    async def push(self, due: Due) -> str:
        raise AssertionError

    async def sleep(self, role: Role, address: str) -> None: ...

    async def forget(self, role: Role, address: str) -> None:
        """There is no connection."""


@asynccontextmanager
async def learner() -> AsyncIterator[tuple[ReplicaPool, str]]:
    """The pools of a learner with one executor, and its address."""
    settings = PoolSettings(heartbeat_seconds=0.05)
    pool = ReplicaPool(RunIdentity("run", 0, "base"), NoServers(), settings, 30.0)
    service = Service(
        "hiper.v1.PoolService",
        lambda server: pool_pb2_grpc.add_PoolServiceServicer_to_server(PoolServicer(pool), server),
    )
    server = GrpcServer(ServerSettings(drain_seconds=0.1), (service,))
    await server.start()
    pool.heard(Replica(Role.EXECUTOR, ADDRESS, "incarnation", base_model="base"))
    try:
        async with pool.watched():
            yield pool, server.address
    finally:
        await server.drain()


def test_a_server_is_drained_when_its_last_episode_has_ended() -> None:
    async def play() -> str:
        async with learner() as (pool, address):
            pool.report_loads("orchestrator", {ADDRESS: 1})
            drained = asyncio.ensure_future(drain(address, PLAIN, ADDRESS, 60.0))
            while pool.table().members[0].state is not MemberState.DRAINING:
                await asyncio.sleep(0)
            assert not drained.done()
            pool.report_loads("orchestrator", {})
            return await drained

    assert asyncio.run(play()) == "it has no episodes any more"


def test_a_server_is_not_waited_for_without_end() -> None:
    async def play() -> str:
        async with learner() as (pool, address):
            pool.report_loads("orchestrator", {ADDRESS: 1})
            return await drain(address, PLAIN, ADDRESS, 0.3)

    assert "still had episodes after 0.3 s" in asyncio.run(play())


def test_a_learner_that_does_not_know_the_server_keeps_nobody_waiting() -> None:
    async def play() -> str:
        async with learner() as (_, address):
            return await drain(address, PLAIN, "10.0.0.8:7002", 60.0)

    assert "NOT_FOUND" in asyncio.run(play())


def test_a_drain_needs_the_learner() -> None:
    with pytest.raises(ConfigurationError, match="--learner.address"):
        drain_command.main([ADDRESS])


def test_a_server_is_asked_for_its_health() -> None:
    async def play() -> None:
        async with learner() as (_, address):
            await check(address, Sections(), 10.0)
        with pytest.raises(UnavailableError):
            await check(address, Sections(), 0.3)

    asyncio.run(play())
