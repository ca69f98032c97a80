"""Connections to real servers on loopback, and to none."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from configuration.servers import TlsSettings
from configuration.tree import Configuration
from core.errors import HiperError, UnavailableError
from orchestrator.clients.identity import WrongRoleError
from orchestrator.servers import connections
from orchestrator.servers.connections import connect

CONFIGURATION = Configuration.model_validate({"orchestrator": {"start_seconds": 0.2}})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[grpc.aio.Channel]:
    """The channels that are opened from now on."""
    channels: list[grpc.aio.Channel] = []
    works = connections.open_channel

    def noted(address: str, tls: TlsSettings) -> grpc.aio.Channel:
        channels.append(works(address, tls))
        return channels[-1]

    monkeypatch.setattr(connections, "open_channel", noted)
    return channels


async def refused(address: str) -> HiperError:
    with pytest.raises(HiperError) as caught:
        await connect(CONFIGURATION, "planner", address)
    return caught.value


def test_a_connection_to_nobody_is_closed(opened: list[grpc.aio.Channel]) -> None:
    error = asyncio.run(refused("127.0.0.1:1"))
    assert type(error) is UnavailableError and "the planner at 127.0.0.1:1 is not there" in str(error)
    assert [channel.get_state() for channel in opened] == [grpc.ChannelConnectivity.SHUTDOWN]


def test_a_connection_to_a_healthy_server_of_another_role_is_closed(opened: list[grpc.aio.Channel]) -> None:
    async def work() -> None:
        server = grpc.aio.server()
        servicer = health.aio.HealthServicer()
        await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        assert isinstance(await refused(f"127.0.0.1:{port}"), WrongRoleError)
        await server.stop(None)

    asyncio.run(work())
    assert [channel.get_state() for channel in opened] == [grpc.ChannelConnectivity.SHUTDOWN]
