"""The trace of an episode: spans of the loop that plays it, and of servers on the other side of sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hiper.v1 import (
    episode_pb2,
    episode_pb2_grpc,
    executor_pb2,
    executor_pb2_grpc,
    planner_pb2,
    planner_pb2_grpc,
)

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.servers import ServerSettings, TlsSettings
from core import tracing
from core.errors import HiperError, InvalidInputError, UnavailableError
from core.role import Role
from environments import registry
from orchestrator.clients.directory import Directory, static_table
from orchestrator.clients.learner import EpisodeClient
from orchestrator.clients.models import CallTime, ExecutorClient, PlannerClient
from orchestrator.clients.pool_calls import CallLimits, EpisodeCalls, PoolCalls
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from play.dispatch import Dispatcher
from play.players import OneOfEach, Players
from serving.rpc.channel import open_channel
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from serving.rpc.server import GrpcServer, Service
from tests.extras import need
from tests.play.answers import generation, lease
from tests.play.quiet import Quiet
from trajectory.learner_wire import lease_outcome_to_pb
from trajectory.lease import Finished
from trajectory.wire import generation_to_pb

TURNS = 2
POLICY = RetryPolicy(patience=5.0, first_pause=0.01)


class Planner(planner_pb2_grpc.PlannerServiceServicer):
    """Is away at its first call."""

    away = True

    async def Plan(self, request: planner_pb2.PlanRequest, context: object) -> planner_pb2.PlanResponse:
        if self.away:
            self.away = False
            raise UnavailableError("starting")
        tracing.note({"tokens": 3})
        return planner_pb2.PlanResponse(
            decision=episode_pb2.DECISION_SWITCH,
            subgoal="look",
            valid=True,
            generation=generation_to_pb(generation(3)),
            decision_span=episode_pb2.TokenSpan(begin=0, end=1),
            subgoal_span=episode_pb2.TokenSpan(begin=1, end=3),
        )


class Executor(executor_pb2_grpc.ExecutorServiceServicer):
    async def Act(self, request: executor_pb2.ActRequest, context: object) -> executor_pb2.ActResponse:
        return executor_pb2.ActResponse(action="look", valid=True, generation=generation_to_pb(generation(2)))


class Episodes(episode_pb2_grpc.EpisodeServiceServicer):
    """Leases two episodes; accepts them unless it is to refuse."""

    def __init__(self, refuse: bool) -> None:
        self._answers = [lease_outcome_to_pb(each) for each in (lease(0), lease(1), Finished(), Finished())]
        self._refuse = refuse

    async def Lease(self, request: episode_pb2.LeaseRequest, context: object) -> episode_pb2.LeaseResponse:
        return self._answers.pop(0)

    async def Submit(self, request: episode_pb2.SubmitRequest, context: object) -> episode_pb2.SubmitResponse:
        if self._refuse:
            raise InvalidInputError("turn 1 is wrong")
        return episode_pb2.SubmitResponse()


@asynccontextmanager
async def serving(name: str, add_to: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    server = GrpcServer(ServerSettings(), [Service(f"hiper.v1.{name}", add_to)])
    await server.start()
    try:
        yield server.address
    finally:
        await server.drain()


def calls(role: Role, address: str) -> EpisodeCalls:
    directory = Directory(static_table({role: [address]}))
    limits = CallLimits(20.0, POLICY, unready_seconds=5.0)
    return EpisodeCalls(PoolCalls(role, directory, limits, lambda to: open_channel(to, TlsSettings())), "0.0")


async def play(refuse: bool = False) -> None:
    games = GeneratorSettings(games=2, horizon="short")
    benchmark = registry.load(EnvironmentSettings(source="generated", step_limit=TURNS, generator=games))
    planner, executor, episodes = Planner(), Executor(), Episodes(refuse)
    async with (
        serving(
            "PlannerService",
            lambda server: planner_pb2_grpc.add_PlannerServiceServicer_to_server(planner, server),
        ) as planners,
        serving(
            "ExecutorService",
            lambda server: executor_pb2_grpc.add_ExecutorServiceServicer_to_server(executor, server),
        ) as executors,
        serving(
            "EpisodeService",
            lambda server: episode_pb2_grpc.add_EpisodeServiceServicer_to_server(episodes, server),
        ) as learner,
        open_channel(learner, TlsSettings()) as channel,
    ):
        models = calls(Role.PLANNER, planners), calls(Role.EXECUTOR, executors)
        try:
            await Dispatcher(
                episodes=EpisodeClient(
                    Connection(channel, Server("learner", learner), 20.0, POLICY), "host:1"
                ),
                players=Players(
                    models=OneOfEach(
                        PlannerClient(models[0], CallTime()), ExecutorClient(models[1], CallTime())
                    ),
                    benchmark=benchmark,
                    history=2,
                    final_prompts=True,
                ),
                benchmark=benchmark,
                tasks=benchmark.tasks("train"),
                concurrency=2,
                observer=Report(Tally(), Quiet()),
            ).run()
        finally:
            for each in models:
                await each.pool.close()


def recorded(refuse: bool = False) -> list[Any]:
    """The spans of playing, in the order of their ends."""
    need("opentelemetry.sdk", "otel")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    with tracing.recorded(exporter, "test"):
        if refuse:
            with pytest.raises(HiperError, match="turn 1 is wrong"):
                asyncio.run(play(refuse))
        else:
            asyncio.run(play())
    return list(exporter.get_finished_spans())


def test_each_episode_is_one_trace_through_all_servers() -> None:
    spans = recorded()
    by_id = {span.context.span_id: span for span in spans}
    roots = [span for span in spans if span.parent is None]
    assert [root.name for root in roots] == ["episode"] * 2
    assert sorted(root.attributes["hiper.episode"] for root in roots) == [0, 1]
    for root in roots:
        trace = [span for span in spans if span.context.trace_id == root.context.trace_id]
        found = Counter(
            (by_id[span.parent.span_id].name, span.name)
            for span in trace
            # The planner was away once, and was called again in the same span.
            if span.parent and span.attributes.get("rpc.response.status_code") != "UNAVAILABLE"
        )
        assert found == {
            ("episode", "reset"): 1,
            ("episode", "turn"): TURNS,
            ("turn", "plan"): TURNS,
            ("plan", "hiper.v1.PlannerService/Plan"): TURNS,
            ("turn", "act"): TURNS,
            ("act", "hiper.v1.ExecutorService/Act"): TURNS,
            ("turn", "environment"): TURNS,
            ("episode", "final prompts"): 1,
            ("final prompts", "hiper.v1.PlannerService/Plan"): 1,
            ("final prompts", "hiper.v1.ExecutorService/Act"): 1,
            ("episode", "submit"): 1,
            ("submit", "hiper.v1.EpisodeService/Submit"): 1,
        }
        assert (root.attributes["hiper.outcome"], root.attributes["hiper.turns"]) == ("out of turns", TURNS)
        assert root.attributes["hiper.run_id"] == "run" and root.attributes["hiper.attempt"] == 0
        assert root.attributes["hiper.task"] and root.attributes["hiper.task_type"]


def test_the_spans_of_servers_come_by_the_wire_with_method_and_status() -> None:
    spans = [span for span in recorded() if span.name.startswith("hiper.v1.")]
    assert all(span.parent.is_remote for span in spans), "not by a context that this process shares"
    statuses = Counter((span.name, span.attributes["rpc.response.status_code"]) for span in spans)
    assert statuses == {
        ("hiper.v1.PlannerService/Plan", "UNAVAILABLE"): 1,
        ("hiper.v1.PlannerService/Plan", "OK"): 2 * (TURNS + 1),
        ("hiper.v1.ExecutorService/Act", "OK"): 2 * (TURNS + 1),
        ("hiper.v1.EpisodeService/Submit", "OK"): 2,
    }, "leases belong to no episode yet"
    for span in spans:
        ok = span.attributes["rpc.response.status_code"] == "OK"
        assert ok == span.status.is_unset and span.attributes["rpc.method"] == span.name
        assert (span.attributes.get("tokens") == 3) == (ok and span.name.endswith("/Plan"))


def test_a_refused_episode_is_an_error_from_the_server_to_the_root() -> None:
    failed = {
        span.name for span in recorded(refuse=True) if not span.status.is_ok and not span.status.is_unset
    }
    assert {"episode", "submit", "hiper.v1.EpisodeService/Submit"} <= failed
