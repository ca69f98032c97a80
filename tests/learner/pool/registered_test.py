"""Servers that register with the learner, over real sockets, with and without certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hiper.v1 import pool_pb2 as pb
from hiper.v1 import pool_pb2_grpc as pb_grpc

from configuration.run import PoolSettings
from core.role import Role
from serving.rpc.channel import open_channel
from tests.learner.pool.feed_library import QUICK, FeedLibrary, Start, free_address
from tests.learner.pool.live import OPEN, Base, LivePool, live_pool, model_server
from tests.serving.rpc.authority import Authority
from trajectory.pool import MemberState, Replica
from trajectory.pool_wire import replica_to_pb, table_from_pb


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base.made(tmp_path_factory.mktemp("base"))


class TestRegistered(FeedLibrary):
    @asynccontextmanager
    async def feed(self, live: LivePool, base: Base, address: str) -> AsyncIterator[Start]:
        yield lambda: model_server(base, Role.PLANNER, address, live.address, QUICK)


def test_a_server_says_that_it_drains_before_it_does(base: Base) -> None:
    settings = PoolSettings(heartbeat_seconds=1000.0, expiry_seconds=3000.0)

    async def work() -> None:
        async with live_pool(base, settings) as live:
            async with model_server(base, Role.PLANNER, learner=live.address) as server:
                await live.until(server.address, MemberState.JOINING)
            member = live.member(server.address)
            assert member and member.state is MemberState.DRAINING
            assert member.reason == "it has been told to stop"

    asyncio.run(work())


def test_a_server_registers_again_once_the_learner_is_back(base: Base) -> None:
    learner = free_address()
    settings = PoolSettings(heartbeat_seconds=0.05)

    async def work() -> None:
        async with model_server(base, Role.PLANNER, learner=learner, pool=settings) as server:
            for epoch in (1, 2):
                async with live_pool(base, settings, epoch, listen=learner) as live:
                    await live.until(server.address, MemberState.JOINING)

    asyncio.run(work())


def planner(**fields: Any) -> pb.RegisterRequest:
    described = Replica(Role.PLANNER, "127.0.0.1:7001", "1", base_model="base")
    message = replica_to_pb(described)
    for name, value in fields.items():
        setattr(message, name, value)
    return pb.RegisterRequest(replica=message)


def test_the_table_is_sent_at_once_with_each_change_and_each_heartbeat_and_ends_with_the_server(
    base: Base,
) -> None:
    settings = PoolSettings(heartbeat_seconds=0.05, expiry_seconds=1000.0)

    async def work() -> None:
        async with live_pool(base, settings) as live, open_channel(live.address, OPEN) as channel:
            stub = pb_grpc.PoolServiceStub(channel)
            await stub.Register(planner(base_model=base.model.fingerprint), timeout=20)
            watching = stub.WatchPool(pb.WatchPoolRequest(), timeout=60)
            tables = aiter(watching)
            first = table_from_pb(await anext(tables))
            assert [m.state for m in first.members] == [MemberState.JOINING]
            again = table_from_pb(await anext(tables))
            assert again.revision == first.revision
            await stub.Drain(pb.DrainRequest(address="127.0.0.1:7001"), timeout=20)
            while (table := table_from_pb(await anext(tables))).revision == first.revision:
                pass
            assert [m.state for m in table.members] == [MemberState.DRAINING]
            await stub.Drain(pb.DrainRequest(address="127.0.0.1:7001", undo=True), timeout=20)
            once = [table async for table in stub.WatchPool(pb.WatchPoolRequest(once=True), timeout=20)]
            assert [table_from_pb(each).members[0].state for each in once] == [MemberState.JOINING]
            with pytest.raises(grpc.aio.AioRpcError, match="there are: 127.0.0.1:7001") as caught:
                await stub.Drain(pb.DrainRequest(address="nowhere:1"), timeout=20)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            cancelled = stub.WatchPool(pb.WatchPoolRequest(), timeout=60)
            await anext(aiter(cancelled))
            cancelled.cancel()
            async with live.pool.watched():
                pass
            rest = [table async for table in tables]
            assert len(rest) < 100 and await watching.code() is grpc.StatusCode.OK
        leaked = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leaked, leaked

    asyncio.run(work())


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"base_model": "other"}, "FAILED_PRECONDITION", "another base model than the run"),
        ({"role": 0}, "INVALID_ARGUMENT", "replica.role"),
        ({"address": ""}, "INVALID_ARGUMENT", "replica.address"),
        ({"incarnation": ""}, "INVALID_ARGUMENT", "replica.incarnation"),
    ],
)
def test_a_registration_that_cannot_be_right_is_refused_by_name(
    base: Base, fields: dict[str, Any], code: str, message: str
) -> None:
    async def work() -> None:
        async with live_pool(base, QUICK) as live, open_channel(live.address, OPEN) as channel:
            call = pb_grpc.PoolServiceStub(channel).Register(planner(**fields), timeout=20)
            assert (await call.code()).name == code
            assert message in await call.details()

    asyncio.run(work())


def test_the_role_of_the_certificate_must_be_the_role_that_registers(base: Base, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def work() -> None:
        async with live_pool(base, QUICK, tls=authority.signed("learner", "learner")) as live:
            for role, code in (("planner", "OK"), ("executor", "PERMISSION_DENIED")):
                async with open_channel(live.address, authority.signed(role, role)) as channel:
                    call = pb_grpc.PoolServiceStub(channel).Register(
                        planner(base_model=base.model.fingerprint), timeout=20, wait_for_ready=True
                    )
                    assert (await call.code()).name == code
                    if code != "OK":
                        assert "URI:hiper:planner" in await call.details()

    asyncio.run(work())
