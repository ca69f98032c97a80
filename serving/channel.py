"""The client's end of a connection: how it is opened, and how one waits for the other end."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import PreconditionError, UnavailableError
from serving.settings import TlsSettings
from serving.tls import channel_credentials

MESSAGE_LIMIT = 64 << 20
"""Bytes of the largest message, at both ends: an episode of many long turns, with room."""

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
)

_PAUSE_SECONDS = 0.1


def open_channel(address: str, tls: TlsSettings | None = None) -> grpc.aio.Channel:
    """A channel to `host:port`; connects when it is first used. The caller closes it."""
    credentials = channel_credentials(tls or TlsSettings())
    options = (
        *OPTIONS,
        # A server that comes up later is found soon, not after a minute of growing pauses.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    )
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def wait_healthy(channel: grpc.aio.Channel, service: str, seconds: float) -> None:
    """Waits until `service`, such as `hiper.v1.PlannerService`, is served.

    Raises:
        UnavailableError: not within `seconds`; says what was seen last.
        PreconditionError: a server answers, but it is no server of ours or has no such service.
    """
    seen = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                seen = await _look(channel, service, seconds)
                if seen == "SERVING":
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise UnavailableError(f"{service} was not ready within {seconds:g} s: {seen}") from None


async def _look(channel: grpc.aio.Channel, service: str, seconds: float) -> str:
    request = health_pb2.HealthCheckRequest(service=service)
    try:
        response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            raise PreconditionError(
                f"the server there does not serve {service}: it is of another role"
            ) from error
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise PreconditionError(
                f"the server there is none of ours: it tells no health of {service}"
            ) from error
        return f"{error.code().name}: {error.details()}"
    return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
