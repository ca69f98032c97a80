"""Connections to real servers on loopback, and to none."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hiper.v1 import adapter_pb2, adapter_pb2_grpc

from configuration.servers import TlsSettings
from configuration.tree import Configuration
from core.errors import HiperError, UnavailableError
from core.role import Role
from orchestrator.clients.identity import WrongRoleError
from orchestrator.servers import connections
from orchestrator.servers.connections import Connector, connect, kept_up
from orchestrator.servers.services import ServiceDiedError, ServiceSpec
from orchestrator.servers.supervisor import Supervisor
from run_folder.folder import RunFolder
from serving.rpc.channel import open_channel
from tests.orchestrator.servers.services_test import READY, UNTIL_PARENT_GOES, spec

CONFIGURATION = Configuration.model_validate({"orchestrator": {"start_seconds": 0.2}})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[grpc.aio.Channel]:
    """The channels that are opened from now on."""
    channels: list[grpc.aio.Channel] = []

    def noted(address: str, tls: TlsSettings) -> grpc.aio.Channel:
        channels.append(open_channel(address, tls))
        return channels[-1]

    monkeypatch.setattr(connections, "open_channel", noted)
    return channels


async def refused(address: str) -> HiperError:
    with pytest.raises(HiperError) as caught:
        await connect(CONFIGURATION, "planner", address)
    return caught.value


@pytest.mark.parametrize(
    ("planner", "executor", "said"),
    [
        (None, None, "starting planner and executor"),
        ("a:1, b:2", None, "starting executor, connecting to planner at a:1, b:2"),
        ("a:1", "b:2", "connecting to planner at a:1 and executor at b:2"),
    ],
)
def test_only_servers_without_an_address_are_started(
    planner: str | None, executor: str | None, said: str, tmp_path: Path
) -> None:
    sections = {"planner": {"address": planner}, "executor": {"address": executor}}
    configuration = Configuration.model_validate({**sections, "learner": {"address": executor}})

    async def connector() -> Connector:
        return Connector(configuration, RunFolder(tmp_path), Supervisor(1.0), print)

    made = asyncio.run(connector())
    assert made.models_announcement == said
    assert made.learner_announcement == (
        f"connecting to the learner at {executor}" if executor else "starting the learner"
    )


def test_a_connection_to_nobody_is_closed(opened: list[grpc.aio.Channel]) -> None:
    error = asyncio.run(refused("127.0.0.1:1"))
    assert type(error) is UnavailableError and "the planner at 127.0.0.1:1 is not there" in str(error)
    assert [channel.get_state() for channel in opened] == [grpc.ChannelConnectivity.SHUTDOWN]


@asynccontextmanager
async def healthy(*add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    """The address of a healthy server with these services."""
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for each in add:
        each(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def test_a_connection_to_a_healthy_server_of_another_role_is_closed(opened: list[grpc.aio.Channel]) -> None:
    async def work() -> None:
        async with healthy() as address:
            assert isinstance(await refused(address), WrongRoleError)

    asyncio.run(work())
    assert [channel.get_state() for channel in opened] == [grpc.ChannelConnectivity.SHUTDOWN]


class ModelServer(adapter_pb2_grpc.AdapterServiceServicer):
    def __init__(self, role: adapter_pb2.Role) -> None:
        self._role = role

    async def GetState(
        self, request: adapter_pb2.GetStateRequest, context: grpc.aio.ServicerContext
    ) -> adapter_pb2.AdapterState:
        return adapter_pb2.AdapterState(role=self._role)

    def add_to(self, server: grpc.aio.Server) -> None:
        adapter_pb2_grpc.add_AdapterServiceServicer_to_server(self, server)


def test_servers_that_are_away_are_told_of_unless_all_of_a_role_are(tmp_path: Path) -> None:
    said: list[str] = []

    async def work(planners: Sequence[str]) -> None:
        planner, executor = ModelServer(adapter_pb2.ROLE_PLANNER), ModelServer(adapter_pb2.ROLE_EXECUTOR)
        async with healthy(planner.add_to) as first, healthy(executor.add_to) as second:
            addresses = ",".join(address or first for address in planners)
            configuration = Configuration.model_validate(
                {
                    "orchestrator": {"start_seconds": 0.5},
                    "planner": {"address": addresses},
                    "executor": {"address": second},
                }
            )
            connector = Connector(configuration, RunFolder(tmp_path), Supervisor(1.0), said.append)
            found = await connector.models()
            assert [each.server.address for each in found[Role.PLANNER]] == [first]
            for each in (*found[Role.PLANNER], *found[Role.EXECUTOR]):
                await each.channel.close()

    # Port 1 is privileged: no test leaves a server there.
    asyncio.run(work(["127.0.0.1:1", ""]))
    (remark,) = said
    assert "the planner at 127.0.0.1:1 is not there" in remark and "the others of its role are used" in remark
    with pytest.raises(UnavailableError, match="the planner at 127.0.0.1:1 is not there"):
        asyncio.run(work(["127.0.0.1:1"]))


class Starting(Supervisor):
    """Notes the options of servers that are started, and how many start at the same time."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.commands: dict[str, tuple[str, ...]] = {}
        self.most = self._now = 0

    async def start(self, spec: ServiceSpec) -> Any:
        self.commands[spec.name] = spec.command
        self._now += 1
        self.most = max(self.most, self._now)
        return self

    async def address(self, seconds: float) -> str:
        for _ in range(10):
            await asyncio.sleep(0)
        self._now -= 1
        return "127.0.0.1:1"


@pytest.mark.parametrize(("executor_gpu", "share", "at_once"), [(0, "0.46", 1), (1, "0.92", 2)])
def test_vllms_on_one_gpu_are_given_a_share_and_start_in_turn(
    tmp_path: Path, executor_gpu: int, share: str, at_once: int
) -> None:
    configuration = Configuration.model_validate(
        {
            "planner": {"engine": "vllm", "gpus": [0]},
            "executor": {"engine": "vllm", "gpus": [executor_gpu]},
            "learner": {"gpus": [2]},
        }
    )
    supervisor = asyncio.run(_members(configuration, RunFolder(tmp_path)))
    assert supervisor.most == at_once
    for name in ("planner", "executor"):
        words = supervisor.commands[name]
        assert words[words.index(f"--{name}.vllm.gpu_memory_utilization") + 1] == share


async def _members(configuration: Configuration, folder: RunFolder) -> Starting:
    supervisor = Starting()
    await Connector(configuration, folder, supervisor, lambda _: None).members("127.0.0.1:2")
    return supervisor


@pytest.mark.parametrize(("served", "lives"), [(True, 2), (False, 1)])
def test_work_begins_anew_after_a_death_unless_its_servers_never_served(
    tmp_path: Path, served: bool, lives: int
) -> None:
    said, began = list[str](), list[int]()

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, (READY if served else "") + UNTIL_PARENT_GOES))
        if served:
            await service.address(20)
        began.append(service.pid)
        os.kill(service.pid, signal.SIGKILL)
        await asyncio.Event().wait()

    configuration = Configuration.model_validate({"pool": {"restarts": 1}})
    with pytest.raises(ServiceDiedError, match="was killed by SIGKILL"):
        asyncio.run(kept_up(configuration, said.append, work))
    assert len(began) == lives
    assert said == ["planner was killed by SIGKILL; started again (1 of 1)"] * (lives - 1)
