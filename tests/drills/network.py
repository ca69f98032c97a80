"""Drill of the network between a client and a model server: slow, cut, and half-open connections."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc
from hiper.v1 import planner_pb2, planner_pb2_grpc

from configuration.run import OrchestratorSettings
from configuration.servers import TlsSettings
from core.errors import HiperError
from serving.rpc import connection
from serving.rpc.channel import Keepalive, open_channel
from serving.rpc.retry import RetryPolicy
from tests.drills.calls import REQUESTS
from tests.drills.drill import Effort, Row
from tests.drills.proxy import Proxy, proxy
from tests.drills.servers import Server, server
from tests.end_to_end.tiny import tiny_model

_AT_ONCE = 8
_STORM = 1.2
"""Calls that reach the server over calls that are needed, at most."""
_METHOD = "PlannerService/Plan"
_FAULTS = ("slow", "cut", "half-open", "blocked")
_BETWEEN = 8
"""Calls of each caller between two faults."""
_REAL = 0.5
"""Scale from which faults are as long, and signs of life as slow, as in reality."""
_LONGEST = {"slow": 10.0, "cut": 0.0, "half-open": 0.0, "blocked": 60.0}
"""Seconds that a fault lasts in the whole form; a half-open connection stays so."""


def network(effort: Effort) -> list[Row]:
    """One row for each kind of fault."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_model(folder / "model")
        options = (f"--model={model}", "--planner.max_new_tokens=4", "--planner.metrics_port=0")
        with server("planner", folder, *options) as planner:
            return asyncio.run(_all(planner, effort))


async def _all(planner: Server, effort: Effort) -> list[Row]:
    return [await _drill(planner, fault, effort) for fault in _FAULTS]


@dataclass
class Calls:
    """Calls of the orchestrator's own connections, with its deadlines and retries, until `ended`."""

    channel: grpc.aio.Channel
    settings: OrchestratorSettings = field(default_factory=OrchestratorSettings)
    ended: bool = False
    tries: int = 0
    """Most of those in a block find no connection, and end at the caller."""
    needed: int = 0
    """One for each answer, and one for each that a fault took away."""
    running: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    """Seconds."""

    async def caller(self, number: int) -> None:
        policy = RetryPolicy(self.settings.patience_seconds, seed=number)
        server = connection.Server("planner", "the proxy")
        planner = connection.Connection(self.channel, server, self.settings.call_seconds, policy)
        while not self.ended:
            began = time.monotonic()
            self.needed += 1
            self.running += 1
            try:
                await planner.call(self._counted, REQUESTS[number % len(REQUESTS)])
                self.answered += 1
            except HiperError as error:
                self.failed.append(str(error))
            self.running -= 1
            self.longest = max(self.longest, time.monotonic() - began)

    async def _counted(self, request: planner_pb2.PlanRequest, timeout: float) -> planner_pb2.PlanResponse:
        self.tries += 1
        plan = planner_pb2_grpc.PlannerServiceStub(self.channel).Plan
        response: planner_pb2.PlanResponse = await plan(request, timeout=timeout)
        return response

    async def some(self) -> None:
        """Waits until each caller has made some calls, all of them well unless a call has failed."""
        wanted = self.answered + _AT_ONCE * _BETWEEN
        while self.answered < wanted and not self.failed:
            await asyncio.sleep(0.005)


async def _drill(planner: Server, fault: str, effort: Effort) -> Row:
    draw = Random(f"{effort.seed} {fault}")
    count = effort.count(10 if fault == "blocked" else 100)
    # The short form has no time for the real signs of life, which come after seconds.
    keepalive = Keepalive() if effort.scale >= _REAL else Keepalive(0.5, 2.0)
    before = planner.calls(_METHOD)
    async with (
        proxy(planner.address) as between,
        open_channel(between.address, TlsSettings(), keepalive) as channel,
    ):
        calls = Calls(channel)
        async with asyncio.TaskGroup() as callers:
            for number in range(_AT_ONCE):
                callers.create_task(calls.caller(number))
            for _ in range(count):
                await calls.some()
                calls.needed += 0 if fault == "slow" else calls.running
                longest = _LONGEST[fault] * min(1.0, effort.scale / _REAL)
                await _inject(between, fault, longest * draw.uniform(0.2, 1))
            await calls.some()
            calls.ended = True
    storm = (planner.calls(_METHOD) - before) / calls.needed
    note = f"{calls.answered:,} answered, {len(calls.failed)} failed, {calls.longest:.1f} s at most; "
    note += f"{calls.tries:,} tries, calls at the server × {storm:.2f} of those needed; "
    note += f"{between.connections} connections"
    fine = not calls.failed and storm <= _STORM
    return Row(f"network, {fault}", count, count if fine else 0, note="; ".join([note, *calls.failed[:1]]))


async def _inject(between: Proxy, fault: str, seconds: float) -> None:
    match fault:
        case "slow":
            between.delay = seconds / 10
            await asyncio.sleep(seconds)
            between.delay = 0.0
        case "cut":
            between.cut()
        case "half-open":
            between.hang()
        case "blocked":
            between.block()
            await asyncio.sleep(seconds)
            between.unblock()
