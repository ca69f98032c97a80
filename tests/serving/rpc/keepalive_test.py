"""Connections that a box in the middle has forgotten: no packet comes through, and nobody is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from hiper.v1 import learner_pb2 as pb
from hiper.v1 import learner_pb2_grpc as pb_grpc

from configuration.servers import ServerSettings, TlsSettings
from serving.rpc.channel import Keepalive, open_channel
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from serving.rpc.server import GrpcServer, Service

NAME = "hiper.v1.LearnerService"
QUICK = Keepalive(seconds=0.2, timeout=0.8)


class Middlebox:
    """A TCP proxy that forgets connections without a word, and passes new ones on."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.rpartition(":")
        self._connections: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    @property
    def connections(self) -> int:
        """All that were ever opened."""
        return len(self._connections)

    def forget(self) -> None:
        """From now on nothing passes through the connections that there are."""
        for forgotten in self._connections:
            forgotten.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        forgotten = asyncio.Event()
        self._connections.append(forgotten)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._pass_on(source, target, forgotten))
            self._tasks.add(task)

    @staticmethod
    async def _pass_on(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, forgotten: asyncio.Event
    ) -> None:
        while data := await source.read(65536):
            if not forgotten.is_set():
                target.write(data)
        if not forgotten.is_set():
            target.close()

    @classmethod
    @asynccontextmanager
    async def before(cls, target: str) -> AsyncIterator[Middlebox]:
        box = cls(target)
        server = await asyncio.start_server(box._connected, "127.0.0.1", 0)
        box.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield box
        finally:
            server.close()
            for task in box._tasks:
                task.cancel()


class Servicer(pb_grpc.LearnerServiceServicer):
    """Answers at once, or, to `Stop`, when the test says."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.LearnerStatus:
        return pb.LearnerStatus(run_id="fine")

    async def Stop(self, request: pb.StopRequest, context: object) -> pb.StopResponse:
        await self.go_on.wait()
        return pb.StopResponse()


Play = Callable[[Middlebox, Servicer, grpc.aio.Channel], Awaitable[None]]


def played(play: Play) -> None:
    async def run() -> None:
        servicer = Servicer()
        service = Service(NAME, lambda server: pb_grpc.add_LearnerServiceServicer_to_server(servicer, server))
        server = GrpcServer(ServerSettings(drain_seconds=0.1), [service])
        await server.start()
        try:
            async with (
                Middlebox.before(server.address) as box,
                open_channel(box.address, TlsSettings(), QUICK) as channel,
            ):
                await play(box, servicer, channel)
        finally:
            await server.drain()

    asyncio.run(run())


async def status(channel: grpc.aio.Channel) -> str:
    return (await pb_grpc.LearnerServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=15)).run_id


def test_a_call_on_a_forgotten_connection_ends_and_the_next_one_connects_anew() -> None:
    async def play(box: Middlebox, servicer: Servicer, channel: grpc.aio.Channel) -> None:
        assert await status(channel) == "fine"
        box.forget()
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status(channel)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 10
        connection = Connection(channel, Server("learner", box.address), 15, RetryPolicy(5, first_pause=0.01))
        stub = pb_grpc.LearnerServiceStub(channel)
        assert (await connection.call(stub.GetStatus, pb.GetStatusRequest())).run_id == "fine"
        assert box.connections == 2

    played(play)


def test_a_new_channel_does_not_take_over_a_forgotten_connection() -> None:
    async def play(box: Middlebox, servicer: Servicer, channel: grpc.aio.Channel) -> None:
        assert await status(channel) == "fine"
        box.forget()
        async with open_channel(box.address, TlsSettings(), QUICK) as other:
            assert await status(other) == "fine"

    played(play)


def test_a_connection_that_is_alive_is_left_alone_however_often_it_is_asked() -> None:
    async def play(box: Middlebox, servicer: Servicer, channel: grpc.aio.Channel) -> None:
        eager = Keepalive(seconds=0.05, timeout=2.0)
        async with open_channel(box.address, TlsSettings(), eager) as asking:
            slow = asyncio.ensure_future(
                pb_grpc.LearnerServiceStub(asking).Stop(pb.StopRequest(), timeout=20)
            )
            # A server of gRPC's defaults closes the connection after some four questions, of which a channel
            # sends no more than one per second: "Too many pings".
            await asyncio.wait((slow,), timeout=5.0)
            servicer.go_on.set()
            await slow
            assert box.connections == 1

    played(play)
