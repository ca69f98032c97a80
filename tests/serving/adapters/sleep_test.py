"""Sleep over a real socket, with a real engine: who may ask for it, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from configuration.servers import ModelServerSettings, TlsSettings
from core.role import Role
from serving.adapters.claims import ServerClaims
from serving.adapters.sender import AdapterSender, Shipment, Target
from serving.adapters.slot import AdapterSlot
from serving.engine import Engine, GenerationRequest
from serving.engines import make_engine
from serving.model import ModelFolder
from serving.model_server import adapter_service
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer
from tests.serving.models import random_adapter, tiny_model

ASKED = GenerationRequest(tuple(range(1, 30)), 6, 1.0, 7, frozenset())


@dataclass
class Stage:
    """A server with a slot and an engine, and a client."""

    engine: Engine
    stub: pb_grpc.AdapterServiceStub
    target: Target
    base_model: str
    now: float = 0.0
    """Seconds of the slot's clock."""

    async def claim(self, run_id: str, seconds: float = 30.0) -> None:
        await self.stub.Claim(pb.ClaimRequest(run_id=run_id, holder="host:1", seconds=seconds), timeout=20)

    async def sleep(self, run_id: str) -> pb.AdapterState:
        return (await self.stub.Sleep(pb.SleepRequest(run_id=run_id), timeout=20)).state

    async def asleep(self) -> bool:
        return (await self.stub.GetState(pb.GetStateRequest(), timeout=20)).asleep

    async def push(self, folder: Path, version: int, epoch: int = 1) -> None:
        claims = ServerClaims("run", "host:1")
        sender = AdapterSender("run", self.base_model, 20.0, epoch, claims)
        await sender.send(self.target, Shipment.of(Role.PLANNER, version, folder))

    async def awake(self) -> None:
        """Waits until the server answers again."""
        async with asyncio.timeout(20):
            while await self.asleep():
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def adapter(model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    random_adapter(model, folder, seed=1)
    return folder


@asynccontextmanager
async def staged(model: ModelFolder, sleeps: bool = True) -> AsyncIterator[Stage]:
    settings = ModelServerSettings(
        dtype="float32", context_length=64, drain_seconds=0.1, sleep_while_updating=sleeps
    )
    engine = make_engine(model, settings)
    await engine.start()
    slot = AdapterSlot(engine, Role.PLANNER, model, max_rank=4, keep=3, clock=lambda: stage.now)
    server = GrpcServer(settings, [adapter_service(slot, engine)])
    await server.start()
    channel = open_channel(server.address, TlsSettings())
    stage = Stage(
        engine, pb_grpc.AdapterServiceStub(channel), Target(server.address, channel), model.fingerprint
    )
    try:
        yield stage
    finally:
        await channel.close()
        await server.drain()
        await engine.close()
        slot.close()


async def refused(stage: Stage, run_id: str) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stage.sleep(run_id)
    assert not await stage.asleep()
    return caught.value.code().name, caught.value.details() or ""


def test_only_the_run_that_has_claimed_the_server_has_it_sleep(model: ModelFolder) -> None:
    async def work() -> None:
        async with staged(model) as stage:
            assert await refused(stage, "run") == (
                "FAILED_PRECONDITION",
                "run run has not claimed this server",
            )
            await stage.claim("run")
            code, why = await refused(stage, "other")
            assert code == "FAILED_PRECONDITION" and "run run (host:1) has claimed this server" in why
            assert (await stage.sleep("run")).asleep and await stage.asleep()
            assert (await stage.sleep("run")).asleep

    asyncio.run(work())


def test_a_server_that_is_not_configured_to_sleep_says_so(model: ModelFolder) -> None:
    async def work() -> None:
        async with staged(model, sleeps=False) as stage:
            await stage.claim("run")
            code, why = await refused(stage, "run")
            assert code == "FAILED_PRECONDITION" and "planner.sleep_while_updating = false" in why

    asyncio.run(work())


def test_a_new_version_wakes_the_server_and_the_one_that_is_served_does_not(
    model: ModelFolder, adapter: Path
) -> None:
    async def work() -> None:
        async with staged(model) as stage:
            await stage.push(adapter, 0)
            await stage.sleep("run")
            await stage.push(adapter, 0)
            assert await stage.asleep()
            await stage.push(adapter, 1)
            assert not await stage.asleep()
            assert (await stage.engine.generate(ASKED)).adapter_version == 1
            await stage.sleep("run")
            # A learner that was started again pushes the same version in the next epoch.
            await stage.push(adapter, 1, epoch=2)
            assert not await stage.asleep()

    asyncio.run(work())


@pytest.mark.parametrize("how", ["lapses", "is given up"])
def test_the_end_of_the_claim_wakes_the_server(model: ModelFolder, how: str) -> None:
    async def work() -> None:
        async with staged(model) as stage:
            await stage.claim("run")
            await stage.sleep("run")
            if how == "lapses":
                stage.now += 31.0
            else:
                await stage.claim("run", seconds=0.0)
            await stage.awake()
            assert (await stage.engine.generate(ASKED)).adapter_version == -1

    asyncio.run(work())
