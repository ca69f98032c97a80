"""The process of a model server, planner or executor: model, engine, adapter slot and gRPC server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from hiper.v1 import adapter_pb2, adapter_pb2_grpc
from prometheus_client import CollectorRegistry

from configuration.files import to_toml
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from core.paths import user_path
from core.role import Role
from serving.adapters.servicer import AdapterServicer
from serving.adapters.slot import AdapterSlot
from serving.engine import Engine
from serving.engines import make_engine
from serving.model import load_tokenizer, resolve_model, use_gpus
from serving.model_metrics import ModelMetrics
from serving.rpc.server import GrpcServer, ServerFlags, Service, serve_until_stopped

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER_SERVICE = adapter_pb2.DESCRIPTOR.services_by_name["AdapterService"].full_name

MESSAGE_BYTES = 4 * 1024 * 1024
"""Largest message that a model server accepts; the longest possible prompt is far shorter."""

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
    settings = configuration.planner if role is Role.PLANNER else configuration.executor
    use_gpus(settings.gpus)
    keep_freed_memory()
    asyncio.run(serve_model(role, settings, flags, make_service))
    return 0


async def serve_model(
    role: Role, settings: ModelServerSettings, flags: ServerFlags, make_service: MakeService
) -> None:
    """Loads the model, and serves it until told to stop."""
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
            adapter_service(slot, engine, settings.push_idle_seconds),
        )
        server = GrpcServer(settings, services, registry, MESSAGE_BYTES)
        await serve_until_stopped(server, flags, engine.failure)
    finally:
        await engine.close()
        slot.close()


def adapter_service(slot: AdapterSlot, engine: Engine, idle_seconds: float = 30.0) -> Service:
    """The gRPC service that receives adapters; see `AdapterServicer`."""
    servicer = AdapterServicer(slot, engine, idle_seconds)
    return Service(
        ADAPTER_SERVICE,
        lambda server: adapter_pb2_grpc.add_AdapterServiceServicer_to_server(servicer, server),
    )
