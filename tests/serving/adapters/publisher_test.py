"""Pushing to servers that take nothing, or not at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from configuration.servers import ServerSettings, TlsSettings
from core.errors import PreconditionError, UnavailableError
from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.publisher import AdapterPublisher
from serving.adapters.sender import AdapterSender, Target
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer, Service

NOBODY = "127.0.0.1:1"
HANG: None = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / CONFIG_FILE).write_text("{}")
    (tmp_path / WEIGHTS_FILE).write_bytes(b"x" * 2_000_000)
    return tmp_path


class Servicer(pb_grpc.AdapterServiceServicer):
    """Answers each push with the next code; `HANG` never answers."""

    def __init__(self, codes: Sequence[grpc.StatusCode | None], **changes: object) -> None:
        """`changes` of the state that it answers with."""
        self.codes = list(codes)
        self.changes = changes

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: grpc.aio.ServicerContext
    ) -> pb.PushResponse:
        parts = [part async for part in request_iterator]
        code = self.codes.pop(0)
        if code is HANG:
            await asyncio.Event().wait()
        if code is not grpc.StatusCode.OK:
            await context.abort(code, "as the test says")
        header = parts[0].header
        served = {name: getattr(header, name) for name in ("run_id", "epoch", "version", "sha256")}
        return pb.PushResponse(state=pb.AdapterState(**{**served, **self.changes}))


async def publish(address: str, folder: Path, seconds: float, try_seconds: float | None = None) -> None:
    channel = open_channel(address, TlsSettings())
    try:
        sender = AdapterSender("run", "base", try_seconds or seconds)
        publisher = AdapterPublisher(Target(address, channel), sender, seconds, pause=0.01)
        await publisher.publish(Role.PLANNER, 1, folder)
    finally:
        await channel.close()


def published(
    folder: Path,
    codes: Sequence[grpc.StatusCode | None],
    seconds: float = 20,
    try_seconds: float = 20,
    **changes: object,
) -> list[grpc.StatusCode | None]:
    """Publishes to a server that answers so; the answers that were not needed."""
    servicer = Servicer(codes, **changes)
    service = Service(
        "hiper.v1.AdapterService",
        lambda server: pb_grpc.add_AdapterServiceServicer_to_server(servicer, server),
    )

    async def play() -> None:
        server = GrpcServer(ServerSettings(drain_seconds=0.1), [service])
        await server.start()
        try:
            await publish(server.address, folder, seconds, try_seconds)
        finally:
            await server.drain()

    asyncio.run(play())
    return servicer.codes


def test_the_last_answer_is_part_of_the_message_when_time_is_up(folder: Path) -> None:
    message = f"the planner at {NOBODY} took no adapter within 1 s; its last answer: .*onnect"
    with pytest.raises(UnavailableError, match=message):
        asyncio.run(publish(NOBODY, folder, seconds=1.0))


def test_what_may_pass_is_tried_again(folder: Path) -> None:
    ok = grpc.StatusCode.OK
    passing = (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    )
    assert published(folder, [*passing, ok, ok]) == [ok]


def test_a_refusal_is_final(folder: Path) -> None:
    with pytest.raises(PreconditionError, match="as the test says"):
        published(folder, [grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.OK])


def test_a_try_without_an_answer_ends_in_time_for_another(folder: Path) -> None:
    assert published(folder, [HANG, grpc.StatusCode.OK], try_seconds=0.2) == []
    with pytest.raises(UnavailableError, match="within 0.5 s; its last answer: .*Deadline"):
        published(folder, [HANG] * 9, seconds=0.5, try_seconds=0.2)


@pytest.mark.parametrize(
    "changes", [{"version": 3}, {"epoch": 1}, {"run_id": "other"}, {"sha256": b"0" * 32}, {"sha256": b""}]
)
def test_a_server_that_takes_an_adapter_and_answers_with_another_is_an_error(
    folder: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(PreconditionError, match="has taken version 1 of run run, epoch 0, but answers with"):
        published(folder, [grpc.StatusCode.OK], **changes)
