"""Model servers and a learner in one process that talk over real sockets; the engines have no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hiper.v1 import pool_pb2_grpc
from safetensors.torch import load_file, save_file

from configuration.run import PoolSettings
from configuration.servers import ModelServerSettings, PlannerSettings, ServerSettings, TlsSettings
from configuration.tree import Configuration
from core.progress import Progress
from core.role import Role
from executor.server import service as executor_service
from learner.pool.membership import RunIdentity
from learner.pool.pool import ReplicaPool
from learner.pool.servers import PoolServers
from learner.pool.servicer import PoolServicer
from learner.service.run_parts import Update
from planner.server import service as planner_service
from run_folder.turn_advantages import TurnAdvantages
from serving.adapters.claims import ServerClaims
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.pair import AdapterPair
from serving.adapters.replicas import ReplicaConnections
from serving.adapters.sender import AdapterSender
from serving.adapters.slot import AdapterSlot
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.model import ModelFolder
from serving.model_server import SelfView, adapter_service, registered
from serving.pool.identity import ServerIdentity
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer, Service
from serving.sleep import SleepingEngine
from tests.byte_tokenizer import byte_tokenizer
from tests.learner.tiny import tiny_model
from tests.serving.models import random_adapter
from trajectory.episode import Episode
from trajectory.pool import Member, MemberState

DEFAULT, OPEN = PoolSettings(), TlsSettings()
SECONDS = 60.0
"""Limit of everything that is waited for."""
WORDS = 300
"""Size of the tiny model's vocabulary, which holds the byte tokenizer's."""


class AnsweringEngine:
    """Answers every request with two tokens, by whichever adapter it was switched to last."""

    context_length = 1024

    def __init__(self) -> None:
        self.adapter: LoadedAdapter | None = None
        self.answered: list[tuple[int, int]] = []
        """Epoch and version of each answer."""

    @property
    def counters(self) -> EngineCounters:
        return EngineCounters(2 * len(self.answered), 0, 0)

    async def start(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        adapter = self.adapter
        self.answered.append((adapter.epoch, adapter.version) if adapter else (0, -1))
        return GenerationResult((65, 66), (-0.5, -0.5), adapter, FinishReason.LENGTH)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        self.adapter = adapter

    async def fall_asleep(self) -> None: ...

    async def wake_up(self) -> None: ...

    async def failure(self) -> EngineFailedError:
        return await asyncio.Future()

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Base:
    """A base model on disk, with an adapter for it."""

    model: ModelFolder
    adapter: Path

    @classmethod
    def made(cls, folder: Path) -> Base:
        model = tiny_model(folder / "model", words=WORDS, context=1024)
        random_adapter(model, folder / "adapter", seed=1)
        return cls(model, folder / "adapter")

    def write(self, folder: Path, number: int) -> Path:
        """An adapter that is different for each number."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_bytes((self.adapter / CONFIG_FILE).read_bytes())
        tensors = load_file(self.adapter / WEIGHTS_FILE)
        save_file({name: t + 1e-3 * number for name, t in tensors.items()}, folder / WEIGHTS_FILE)
        return folder


@dataclass(frozen=True)
class LiveServer:
    """A model server that serves."""

    role: Role
    server: GrpcServer
    engine: AnsweringEngine
    slot: AdapterSlot

    @property
    def address(self) -> str:
        return self.server.address


@asynccontextmanager
async def model_server(
    base: Base,
    role: Role,
    listen: str = "127.0.0.1:0",
    learner: str | None = None,
    pool: PoolSettings = DEFAULT,
    sleeps: bool = False,
) -> AsyncIterator[LiveServer]:
    """A model server, which registers with the learner at `learner` if there is one.

    With `sleeps`, its configuration lets it sleep while the learner updates.
    """
    kind = PlannerSettings if role is Role.PLANNER else ModelServerSettings
    settings = kind(listen=listen, drain_seconds=0.1, context_length=1024, max_new_tokens=4)
    answering, identity = AnsweringEngine(), ServerIdentity.draw()
    engine = SleepingEngine(answering) if sleeps else answering
    slot = AdapterSlot(engine, role, base.model, 64, 3)
    make = planner_service if role is Role.PLANNER else executor_service
    services = (make(engine, byte_tokenizer(), settings), adapter_service(slot, engine, identity=identity))
    server = GrpcServer(settings, services)
    view = SelfView(role, settings, identity, engine, slot, server)
    async with AsyncExitStack() as stack:
        stack.callback(slot.close)
        stack.push_async_callback(engine.close)
        await server.start()
        stack.push_async_callback(server.drain)
        if learner is not None:
            await stack.enter_async_context(registered(learner, view, Configuration(pool=pool)))
        yield LiveServer(role, server, answering, slot)


@dataclass(frozen=True)
class LivePool:
    """The learner's pools, as they are wired in its process."""

    pool: ReplicaPool
    connections: ReplicaConnections
    address: str

    def member(self, address: str) -> Member | None:
        return next((m for m in self.pool.table().members if m.replica.address == address), None)

    async def until(self, address: str, *states: MemberState) -> Member:
        """Waits until the member has one of these states."""
        async for _ in self.pool.tables():
            if (member := self.member(address)) and member.state in states:
                return member
        raise AssertionError


@asynccontextmanager
async def live_pool(
    base: Base,
    settings: PoolSettings,
    epoch: int = 1,
    services: Callable[[ReplicaPool], Sequence[Service]] = lambda pool: (),
    listen: str = "127.0.0.1:0",
    tls: TlsSettings = OPEN,
    sleepers: Collection[Role] = (),
) -> AsyncIterator[LivePool]:
    """Pools that serve hiper.v1.PoolService, beside the other `services` that need them."""
    run = RunIdentity("run", epoch, base.model.fingerprint)
    claims = ServerClaims(run.run_id, "host:1")
    sender = AdapterSender(run.run_id, run.base_model, 20.0, epoch, claims)
    connections = ReplicaConnections(lambda role, address: open_channel(address, OPEN), sender, claims, 20.0)
    pool = ReplicaPool(run, PoolServers(connections), settings, 30.0, first_pause=0.01, sleepers=sleepers)
    service = Service(
        "hiper.v1.PoolService",
        lambda server: pool_pb2_grpc.add_PoolServiceServicer_to_server(PoolServicer(pool), server),
    )
    server = GrpcServer(ServerSettings(listen=listen, drain_seconds=5.0, tls=tls), [service, *services(pool)])
    keeping = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(SECONDS):
            await server.start()
            async with pool.watched():
                yield LivePool(pool, connections, server.address)
    finally:
        await server.drain()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await claims.release()
        await connections.close()


class WritingTrainer:
    """Makes real adapters for a tiny model, without training."""

    memory = 0

    def __init__(self, base: Base) -> None:
        self._base = base
        self.version = 0

    def load_adapters(self, pair: AdapterPair) -> None:
        raise NotImplementedError

    def load_reference(self, pair: AdapterPair) -> None:
        """There is none."""

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        """There is no critic."""

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        self.version += 1
        return Update({}, [[TurnAdvantages(1.0, 2.0, None)] * len(e.turns) for e in episodes])

    def skip_update(self) -> None:
        raise NotImplementedError

    def save_adapter(self, role: Role, folder: Path) -> None:
        self._base.write(folder, 2 * self.version + (role is Role.PLANNER))

    def save_checkpoint(self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str]) -> None:
        """None is read."""

    def load_checkpoint(self, folder: Path) -> None:
        raise NotImplementedError
