"""Calls to a pool of real gRPC servers on loopback, some of which fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from hiper.v1 import episode_pb2, planner_pb2, planner_pb2_grpc, pool_pb2, pool_pb2_grpc

from core.errors import ForbiddenError, InvalidInputError, UnavailableError
from core.role import Role
from orchestrator.clients.directory import Directory, static_table, watch_pool
from orchestrator.clients.models import CallTime, PlannerClient
from orchestrator.clients.pool_calls import CallLimits, EpisodeCalls, PoolCalls
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from trajectory.episode import TurnContext
from trajectory.pool import Member, MemberState, PoolTable, Replica
from trajectory.pool_wire import table_to_pb

CONTEXT = TurnContext("put a mug", 0, (), "desk", "", 0)
Trailing = tuple[tuple[str, str], ...]
BEHIND: Trailing = (("hiper-reason", "behind"),)


class Planner(planner_pb2_grpc.PlannerServiceServicer):
    """Answers, or refuses each request with a code."""

    def __init__(self, code: grpc.StatusCode | None = None, trailing: Trailing = ()) -> None:
        self.code, self.trailing = code, trailing
        self.requests: list[planner_pb2.PlanRequest] = []
        self.may_answer: asyncio.Event | None = None
        self.address = ""

    async def Plan(
        self, request: planner_pb2.PlanRequest, context: grpc.aio.ServicerContext
    ) -> planner_pb2.PlanResponse:
        self.requests.append(request)
        if self.may_answer is not None:
            await self.may_answer.wait()
        if self.code is not None:
            await context.abort(self.code, "not now", self.trailing)
        return planner_pb2.PlanResponse(
            decision=episode_pb2.DECISION_SWITCH,
            subgoal=self.address,
            valid=True,
            generation=episode_pb2.Generation(prompt_ids=[5], token_ids=[1], logprobs=[-1.0]),
            decision_span=episode_pb2.TokenSpan(begin=0, end=1),
        )

    def add_to(self, server: grpc.aio.Server) -> None:
        planner_pb2_grpc.add_PlannerServiceServicer_to_server(self, server)


class Pool:
    """Calls to servers, with a clock of their own."""

    def __init__(self, directory: Directory, patience: float = 2.0, unready: float = 2.0) -> None:
        self.now, self.pauses = 0.0, list[float]()
        self.directory = directory
        policy = RetryPolicy(patience, sleep=self.pause, clock=lambda: self.now)
        limits = CallLimits(5.0, policy, unready)
        self.calls = PoolCalls(Role.PLANNER, directory, limits, grpc.aio.insecure_channel)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def plan(self, episode: str = "0.0", seed: int = 1) -> str:
        """Address of the server that answered."""
        client = PlannerClient(EpisodeCalls(self.calls, episode), CallTime())
        return (await client.plan(CONTEXT, seed)).subgoal


@asynccontextmanager
async def serving(*planners: Planner, **limits: float) -> AsyncIterator[Pool]:
    async with AsyncExitStack() as stack:
        for planner in planners:
            planner.address = await stack.enter_async_context(listening(planner.add_to))
        pool = Pool(Directory(static_table({Role.PLANNER: [each.address for each in planners]})), **limits)
        stack.push_async_callback(pool.calls.close)
        yield pool


@asynccontextmanager
async def listening(
    add: Callable[[grpc.aio.Server], None], address: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add(server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(limited())


@pytest.mark.parametrize(
    ("code", "trailing"),
    [
        (grpc.StatusCode.UNAVAILABLE, ()),
        (grpc.StatusCode.UNAVAILABLE, BEHIND),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ()),
        (grpc.StatusCode.CANCELLED, ()),
    ],
)
def test_a_refused_call_goes_to_the_other_server_at_once_with_the_same_seed(
    code: grpc.StatusCode, trailing: Trailing
) -> None:
    async def work() -> None:
        planners = Planner(), Planner()
        async with serving(*planners) as pool:
            chosen = pool.directory.pickers[Role.PLANNER].pick("0.0")
            first, second = sorted(planners, key=lambda each: each.address != chosen)
            first.code, first.trailing = code, trailing
            assert await pool.plan(seed=2**63) == second.address
            assert pool.pauses == []
            assert first.requests == second.requests and first.requests[0].seed == 2**63

    run(work)


def test_a_server_that_is_gone_is_replaced_and_passed_over_afterwards() -> None:
    async def work() -> None:
        planner = Planner()
        async with serving(planner) as pool:
            # Port 1 is privileged: no test leaves a server there.
            pool.directory.put(static_table({Role.PLANNER: ["127.0.0.1:1", planner.address]}))
            assert {await pool.plan(f"0.{number}") for number in range(8)} == {planner.address}
            assert pool.pauses == []
            assert pool.directory.pickers[Role.PLANNER].loads == {planner.address: 8}

    run(work)


def test_servers_that_all_refuse_are_each_asked_once_between_two_pauses() -> None:
    async def work() -> None:
        planners = [Planner(grpc.StatusCode.UNAVAILABLE) for _ in range(3)]
        async with serving(*planners, patience=4.0) as pool:
            with pytest.raises(UnavailableError, match=r"the planner at 127.0.0.1:\d+ answered UNAVAILABLE"):
                await pool.plan()
            asked = {len(planner.requests) for planner in planners}
            assert asked == {len(pool.pauses) + 1}
            assert len(pool.pauses) >= 3
            assert pool.pauses == sorted(pool.pauses)
            assert sum(pool.pauses) <= 4.0

    run(work)


def test_a_wrong_request_is_not_sent_to_the_others() -> None:
    async def work() -> None:
        planners = [Planner(grpc.StatusCode.INVALID_ARGUMENT) for _ in range(3)]
        async with serving(*planners) as pool:
            with pytest.raises(InvalidInputError):
                await pool.plan()
            assert sum(len(planner.requests) for planner in planners) == 1

    run(work)


def test_a_busy_server_s_episodes_go_to_the_others() -> None:
    async def work() -> None:
        planners = Planner(), Planner()
        async with serving(*planners) as pool:
            home = {f"0.{number}": await pool.plan(f"0.{number}") for number in range(8)}
            stuck = next(each for each in planners if each.address == home["0.0"])
            stuck.may_answer = asyncio.Event()
            there = [episode for episode, address in home.items() if address == stuck.address]
            assert len(there) == 4
            waiting = [asyncio.ensure_future(pool.plan(episode)) for episode in there[:3]]
            while len(stuck.requests) < 4 + 3:
                await asyncio.sleep(0)
            assert await pool.plan(there[3]) != stuck.address
            stuck.may_answer.set()
            assert set(await asyncio.gather(*waiting)) == {stuck.address}

    run(work)


def test_a_call_waits_for_a_server_and_then_is_made_at_once() -> None:
    async def work() -> None:
        planner = Planner()
        async with serving(planner) as pool:
            table = pool.directory.table
            pool.directory.put(PoolTable())
            never = asyncio.Event()

            async def pause(_: float) -> None:
                await never.wait()

            policy = RetryPolicy(60.0, sleep=pause)
            pool.calls = PoolCalls(
                Role.PLANNER, pool.directory, CallLimits(5.0, policy, 60.0), grpc.aio.insecure_channel
            )
            waiting = asyncio.ensure_future(pool.plan())
            await asyncio.sleep(0)
            pool.directory.put(PoolTable(version=1))
            await asyncio.sleep(0)
            assert not waiting.done()
            pool.directory.put(table)
            assert await waiting == planner.address
            await pool.calls.close()

    run(work)


def test_a_pool_without_a_ready_server_is_described() -> None:
    async def work() -> None:
        planner = Replica(Role.PLANNER, "p:1", "x")
        pool = Pool(
            Directory(
                PoolTable(
                    members=(
                        Member(planner, MemberState.SUSPECT, reason="silent for 4 s"),
                        Member(Replica(Role.EXECUTOR, "e:1", "x"), MemberState.READY),
                    )
                )
            ),
            patience=100.0,
            unready=2.0,
        )
        with pytest.raises(
            UnavailableError,
            match=r"no planner .* for \d s \(pool.patience_seconds.*: p:1 is suspect \(silent for 4 s\)",
        ):
            await pool.plan()
        assert 0 < sum(pool.pauses) <= 2.0

    run(work)


class PoolService(pool_pb2_grpc.PoolServiceServicer):
    def __init__(self, *tables: PoolTable, code: grpc.StatusCode | None = None) -> None:
        self.tables, self.code = tables, code

    async def WatchPool(
        self, request: pool_pb2.WatchPoolRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pool_pb2.PoolTable]:
        for table in self.tables:
            yield table_to_pb(table)
        if self.code is not None:
            await context.abort(self.code, "no tables")
        await asyncio.Event().wait()

    def add_to(self, server: grpc.aio.Server) -> None:
        pool_pb2_grpc.add_PoolServiceServicer_to_server(self, server)


FIRST = PoolTable(
    "run", 0, 3, (Member(Replica(Role.PLANNER, "p:1", "x", base_model="b"), MemberState.READY),), 1
)
SECOND = replace(FIRST, epoch=1, revision=2)


def test_the_last_table_stays_until_the_learner_is_back() -> None:
    async def work() -> None:
        directory, pauses = Directory(), 0

        async def pause(_: float) -> None:
            nonlocal pauses
            pauses += 1
            await asyncio.sleep(0)

        async def until(epoch: int) -> None:
            while directory.table.epoch != epoch or not directory.table.members:
                await asyncio.sleep(0)

        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(AsyncExitStack())
            address = await first.enter_async_context(listening(PoolService(FIRST).add_to))
            channel = await stack.enter_async_context(
                grpc.aio.insecure_channel(address, options=(("grpc.initial_reconnect_backoff_ms", 100),))
            )
            learner = Connection(channel, Server("learner", address), 5.0, RetryPolicy(0))
            watching = asyncio.ensure_future(watch_pool(learner, directory, pause))
            await until(0)
            await first.aclose()
            while not pauses:
                await asyncio.sleep(0)
            assert directory.table == FIRST
            await stack.enter_async_context(listening(PoolService(SECOND).add_to, address))
            await until(1)
            assert directory.table == SECOND and directory.pickers[Role.PLANNER].ready == {"p:1"}
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    run(work)


def test_a_learner_that_refuses_to_send_tables_ends_the_waiting() -> None:
    async def work() -> None:
        pool = Pool(Directory(), patience=100.0, unready=100.0)
        async with (
            listening(PoolService(code=grpc.StatusCode.PERMISSION_DENIED).add_to) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            learner = Connection(channel, Server("learner", address), 5.0, RetryPolicy(0))
            await watch_pool(learner, pool.directory)
        with pytest.raises(ForbiddenError, match="the learner at .* answered PERMISSION_DENIED: no tables"):
            await pool.plan()
        assert pool.pauses == []

    run(work)
