"""The model servers of a simulation, in one process: real services and adapter slots, waiting engines."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.simulation.children import serve
from benchmarks.simulation.engine import LatencyModel, WaitingEngine
from configuration.tree import Configuration
from core.role import Role
from executor import server as executor_server
from executor.service import ExecutorService
from planner import server as planner_server
from planner.service import PlannerService
from serving.adapters.slot import AdapterSlot
from serving.model import ModelFolder, load_tokenizer, resolve_model
from serving.model_server import SelfView, adapter_service, registered
from serving.pool.identity import ServerIdentity
from serving.rpc.server import GrpcServer, Service

_ANSWERS = {Role.PLANNER: " find a mug on the desk\n", Role.EXECUTOR: "look around the room\n"}


class Fleet:
    """The servers."""

    def __init__(self, configuration: Configuration, latency: LatencyModel, learner: str) -> None:
        served = configuration.learner.model_copy(update={"address": learner})
        self._configuration = configuration.model_copy(update={"learner": served})
        self._latency = latency
        self._model: ModelFolder = resolve_model(configuration.learner.model)
        # One for each role: the prompts of a role are rendered in one thread.
        self._tokenizers: dict[Role, Any] = {role: load_tokenizer(self._model.path) for role in Role}
        self._engines: list[tuple[Role, WaitingEngine]] = []
        self._planner: PlannerService | None = None
        self._executor: ExecutorService | None = None

    async def start(self, running: AsyncExitStack, role: Role, plays: bool) -> None:
        """Starts one server; without `plays` it only takes adapters."""
        settings = self._configuration.model_server(role)
        answer = tuple(self._tokenizers[role](_ANSWERS[role]).input_ids)
        engine = WaitingEngine(self._latency, answer, settings.context_length, settings.max_batch)
        slot = AdapterSlot(engine, role, self._model, settings.max_lora_rank, 1, settings.max_pushes)
        running.callback(slot.close)
        identity = ServerIdentity.draw()
        services = [adapter_service(slot, engine, identity=identity)]
        if plays:
            services.append(self._playing(role, engine))
        server = GrpcServer(settings, services, CollectorRegistry())
        await server.start()
        running.push_async_callback(server.drain)
        view = SelfView(role, settings, identity, engine, slot, server)
        address = self._configuration.learner.address or ""
        await running.enter_async_context(registered(address, view, self._configuration))
        self._engines.append((role, engine))

    def _playing(self, role: Role, engine: WaitingEngine) -> Service:
        """The role's own service; all servers of a role share the work of preparing the tokenizer."""
        if role is Role.PLANNER:
            planner = self._planner or PlannerService(
                engine, self._tokenizers[role], self._configuration.planner
            )
            self._planner = planner.with_engine(engine)
            return planner_server.service_of(self._planner)
        executor = self._executor or ExecutorService(
            engine, self._tokenizers[role], self._configuration.executor
        )
        self._executor = executor.with_engine(engine)
        return executor_server.service_of(self._executor)

    def counted(self) -> dict[Role, Counter[str]]:
        """Tokens of each role so far."""
        found = {role: Counter[str]() for role in Role}
        for role, engine in self._engines:
            found[role].update(vars(engine.counters))
        return found


def main(
    pipe: Connection,
    configuration: Configuration,
    latency: LatencyModel,
    learner: str,
    counts: dict[Role, int],
    plays: bool,
) -> None:
    """Serves; the only request is "counted"."""
    logging.disable(logging.WARNING)
    asyncio.run(_main(pipe, Fleet(configuration, latency, learner), counts, plays))


async def _main(pipe: Connection, fleet: Fleet, counts: dict[Role, int], plays: bool) -> None:
    async with AsyncExitStack() as running:
        for role, count in counts.items():
            for _ in range(count):
                await fleet.start(running, role, plays)
        pipe.send("started")

        async def handle(request: str) -> object:
            return fleet.counted()

        await serve(pipe, handle)
