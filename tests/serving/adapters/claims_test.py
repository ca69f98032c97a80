"""Claims of model servers over a real socket: made by a run, renewed, given up, and told to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.servers import ServerSettings, TlsSettings
from core.errors import ClaimedError, InvalidInputError
from core.role import Role
from orchestrator.servers.pushing import serve
from run_folder.adapters import AdapterChoice
from serving.adapters.claim import ClaimHolder
from serving.adapters.claims import CLAIM_SECONDS, ServerClaims
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.pair import AdapterPair
from serving.adapters.publisher import AdapterPublisher
from serving.adapters.sender import AdapterSender, Target
from serving.rpc.channel import open_channel
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from serving.rpc.server import GrpcServer, Service


class ClaimedServer(pb_grpc.AdapterServiceServicer):
    """A server without a model: it has a real claim, and answers with what it was pushed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.claim = ClaimHolder(lambda: self.now)
        self.state = pb.AdapterState(version=-1)

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: grpc.aio.ServicerContext
    ) -> pb.PushResponse:
        parts = [part async for part in request_iterator]
        header = parts[0].header
        if not header.take_over:
            self.claim.check(header.run_id)
        self.state = pb.AdapterState(
            run_id=header.run_id, epoch=header.epoch, version=header.version, sha256=header.sha256
        )
        return pb.PushResponse(state=self.state)

    async def Rollback(
        self, request: pb.RollbackRequest, context: grpc.aio.ServicerContext
    ) -> pb.RollbackResponse:
        if not request.take_over:
            self.claim.check(request.run_id)
        self.state = pb.AdapterState(version=request.version)
        return pb.RollbackResponse(state=self.state)

    async def GetState(
        self, request: pb.GetStateRequest, context: grpc.aio.ServicerContext
    ) -> pb.AdapterState:
        return pb.AdapterState(base_model="base")

    async def Claim(self, request: pb.ClaimRequest, context: grpc.aio.ServicerContext) -> pb.ClaimResponse:
        self.claim.claim(request.run_id, request.holder, request.seconds)
        return pb.ClaimResponse(state=self.state)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[ClaimedServer, Connection]]:
    servicer = ClaimedServer()
    service = Service(
        "hiper.v1.AdapterService",
        lambda server: pb_grpc.add_AdapterServiceServicer_to_server(servicer, server),
    )
    server = GrpcServer(ServerSettings(drain_seconds=0.1), [service])
    await server.start()
    channel = open_channel(server.address, TlsSettings())
    try:
        yield servicer, Connection(channel, Server("planner", server.address), 20.0, RetryPolicy(0.0))
    finally:
        await channel.close()
        await server.drain()


@pytest.fixture
def pair(tmp_path: Path) -> AdapterPair:
    pair = AdapterPair.within(tmp_path)
    for _, folder in pair.items():
        folder.mkdir()
        (folder / CONFIG_FILE).write_text("{}")
        (folder / WEIGHTS_FILE).write_bytes(b"x" * 1000)
    return pair


def test_a_publisher_claims_its_server_first_and_another_run_is_told_who_has_it(pair: AdapterPair) -> None:
    async def work() -> None:
        async with served() as (server, connection):
            target = Target(connection.server.address, connection.channel)

            def publisher(run_id: str) -> AdapterPublisher:
                claims = ServerClaims(run_id, f"host of {run_id}")
                sender = AdapterSender(run_id, "base", 20.0, epoch=1, claims=claims)
                return AdapterPublisher(target, sender, 20.0)

            await publisher("first").publish(Role.PLANNER, 3, pair.planner)
            assert server.claim.current is not None and server.claim.current.run_id == "first"
            server.now = 4.0
            with pytest.raises(
                ClaimedError, match=r"run first \(host of first\) has claimed .*: renewed 4 s ago"
            ):
                await publisher("second").publish(Role.PLANNER, 0, pair.planner)
            server.now = CLAIM_SECONDS
            await publisher("second").publish(Role.PLANNER, 0, pair.planner)
            assert server.state.run_id == "second"

    asyncio.run(work())


def test_claims_are_renewed_until_they_are_given_up() -> None:
    async def work() -> None:
        async with served() as (server, connection):
            ages: list[float] = []
            enough = asyncio.Event()

            async def pause(seconds: float) -> None:
                """The time between two renewals, of which nothing is waited for."""
                claim = server.claim.current
                assert claim is not None
                ages.append(claim.age)
                if len(ages) == 6:
                    enough.set()
                    await asyncio.Event().wait()
                server.now += seconds

            claims = ServerClaims("run", "host:1", pause)
            await claims.claim(connection.channel)
            keeping = asyncio.create_task(claims.keep())
            waiting = (asyncio.ensure_future(enough.wait()), keeping)
            await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert ages == [0.0] * 6 and server.now > CLAIM_SECONDS
            keeping.cancel()
            await claims.release()
            assert server.claim.current is None

    asyncio.run(work())


def test_a_server_that_does_not_renew_is_logged_once_and_one_that_is_gone_is_not_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        async with served() as (server, connection):
            enough = asyncio.Event()
            rounds = 0

            async def pause(seconds: float) -> None:
                """The time between two renewals, of which nothing is waited for."""
                nonlocal rounds
                rounds += 1
                if rounds == 2:
                    server.claim.end()
                    server.claim.claim("other", "host:2", 1e9)
                if rounds == 5:
                    claims.forget(connection.channel)
                    server.claim.end()
                if rounds == 7:
                    enough.set()
                    await asyncio.Event().wait()

            claims = ServerClaims("run", "host:1", pause)
            await claims.claim(connection.channel)
            keeping = asyncio.create_task(claims.keep())
            waiting = (asyncio.ensure_future(enough.wait()), keeping)
            await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert enough.is_set() and server.claim.current is None
            keeping.cancel()

    asyncio.run(work())
    assert sum("was not renewed" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("base", [True, False])
def test_a_push_says_whose_servers_they_are_and_how_to_take_them_over(pair: AdapterPair, base: bool) -> None:
    choice = AdapterChoice("base" if base else "v0", 0, None if base else pair)

    async def work() -> None:
        async with served() as (server, connection):
            server.claim.claim("mine", "host:1", 30.0)
            connections = {Role.PLANNER: (connection,)}
            with pytest.raises(ClaimedError, match=r"run mine \(host:1\) has claimed .*--take-over"):
                await serve(choice, connections, 20.0)
            assert server.state == pb.AdapterState(version=-1)
            server.state.version = 7
            await serve(choice, connections, 20.0, take_over=True)
            assert server.state.version == (-1 if base else 0)

    asyncio.run(work())


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_what_is_not_a_claim_is_refused(seconds: float) -> None:
    holder = ClaimHolder(lambda: 0.0)
    with pytest.raises(InvalidInputError, match="seconds"):
        holder.claim("run", "host:1", seconds)
    with pytest.raises(InvalidInputError, match="run_id"):
        holder.claim("", "host:1", 1.0)
    assert holder.current is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 5)), max_size=20))
def test_a_server_has_one_claim_at_a_time(steps: list[tuple[str, int, int]]) -> None:
    """Of each step: who claims, for how long, and the time that passes before."""
    now = 0
    holder = ClaimHolder(lambda: float(now))
    owner, until = "", 0
    for run_id, seconds, passed in steps:
        now += passed
        if owner not in ("", run_id) and until > now:
            with pytest.raises(ClaimedError, match=f"run {owner} "):
                holder.claim(run_id, "host:1", seconds)
        else:
            holder.claim(run_id, "host:1", seconds)
            owner, until = run_id, now + seconds
        assert (holder.current is not None) == (until > now)
