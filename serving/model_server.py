"""The process of a model server, planner or executor: model, engine, adapter slot and gRPC server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hiper.v1 import adapter_pb2, adapter_pb2_grpc
from prometheus_client import CollectorRegistry

from configuration.files import to_toml
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from core import tracing
from core.errors import HiperError
from core.freed_memory import keep_freed_memory
from core.paths import user_path
from core.role import Role
from serving.adapters.servicer import AdapterServicer
from serving.adapters.slot import AdapterSlot
from serving.engine import Engine
from serving.engines import make_engine
from serving.model import load_tokenizer, resolve_model, use_gpus
from serving.model_metrics import ModelMetrics
from serving.pool.address import advertised_address
from serving.pool.client import PoolClient
from serving.pool.identity import ServerIdentity
from serving.pool.registration import Registration
from serving.rpc.channel import open_channel
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from serving.rpc.server import GrpcServer, ServerFlags, Service, serve_until_stopped
from serving.vllm_options import check_options
from trajectory.pool import Replica

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER_SERVICE = adapter_pb2.DESCRIPTOR.services_by_name["AdapterService"].full_name

MESSAGE_BYTES = 4 * 1024 * 1024
"""Largest message that a model server accepts; the longest possible prompt is far shorter."""

_REGISTER_SECONDS = 5.0
"""Deadline of a registration."""

MakeService = Callable[[Engine, "PreTrainedTokenizerBase", ModelServerSettings], Service]
"""Makes the role's own gRPC service."""


def run_model_server(
    role: Role, configuration: Configuration, flags: ServerFlags, make_service: MakeService
) -> int:
    """Serves until told to stop; returns the exit code."""
    if flags.dry_run:
        print(to_toml(configuration))
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    use_gpus(configuration.model_server(role).gpus)
    check_options(role.value, configuration.model_server(role).vllm)
    keep_freed_memory()
    with tracing.traced(configuration.run.trace, role.value):
        asyncio.run(serve_model(role, configuration, flags, make_service))
    return 0


async def serve_model(
    role: Role, configuration: Configuration, flags: ServerFlags, make_service: MakeService
) -> None:
    """Loads the model, and serves it until told to stop; registers with the learner if it has an address."""
    settings = configuration.model_server(role)
    learner, identity = configuration.learner.address, ServerIdentity.draw()
    if learner is not None:  # Before the model is loaded, which takes long.
        advertised_address(role.value, settings.listen, settings.advertise)
    model = await asyncio.to_thread(resolve_model, settings.model)
    tokenizer = load_tokenizer(model.path)
    engine = make_engine(model, settings)
    slot = AdapterSlot(
        engine, role, model, settings.max_lora_rank, settings.keep_versions, settings.max_pushes
    )
    try:
        await engine.start()
        if settings.adapter:
            await slot.load(user_path(settings.adapter))
        registry = CollectorRegistry()
        registry.register(ModelMetrics(engine, slot))
        services = (
            make_service(engine, tokenizer, settings),
            adapter_service(slot, engine, settings.push_idle_seconds, identity),
        )
        server = GrpcServer(settings, services, registry, MESSAGE_BYTES)
        if learner is None:
            await serve_until_stopped(server, flags, engine.failure)
        else:
            view = SelfView(role, settings, identity, engine, slot, server)
            registration = registered(learner, view, configuration)
            await serve_until_stopped(server, flags, view.failure, during=lambda: registration)
    finally:
        await engine.close()
        slot.close()


@dataclass
class SelfView:
    """What a model server tells the learner about itself."""

    role: Role
    settings: ModelServerSettings
    identity: ServerIdentity
    engine: Engine
    slot: AdapterSlot
    server: GrpcServer
    healthy: bool = True

    def replica(self) -> Replica:
        """The server as it is now; it must have been started."""
        served = self.slot.state
        return Replica(
            role=self.role,
            address=advertised_address(self.role.value, self.server.address, self.settings.advertise),
            incarnation=self.identity.incarnation,
            node=self.identity.node,
            base_model=self.slot.model.fingerprint,
            run_id=served.run_id,
            epoch=served.epoch,
            version=served.version,
            sha256=served.sha256,
            healthy=self.healthy,
            generated_tokens=self.engine.counters.generated_tokens,
            calls=self.server.calls,
        )

    async def failure(self) -> HiperError:
        """Waits until the engine has failed for good."""
        error = await self.engine.failure()
        self.healthy = False
        return error


@asynccontextmanager
async def registered(learner: str, view: SelfView, configuration: Configuration) -> AsyncIterator[None]:
    """Keeps a server registered with the learner at this address."""
    async with open_channel(learner, configuration.learner.tls) as channel:
        connection = Connection(channel, Server("learner", learner), _REGISTER_SECONDS, RetryPolicy(0.0))
        seconds = configuration.pool.heartbeat_seconds
        async with Registration(view.replica, PoolClient(connection).register, seconds).kept():
            yield


def adapter_service(
    slot: AdapterSlot,
    engine: Engine,
    idle_seconds: float = 30.0,
    identity: ServerIdentity | None = None,
) -> Service:
    """The gRPC service that receives adapters; see `AdapterServicer`."""
    servicer = AdapterServicer(slot, engine, idle_seconds, identity)
    return Service(
        ADAPTER_SERVICE,
        lambda server: adapter_pb2_grpc.add_AdapterServiceServicer_to_server(servicer, server),
    )
