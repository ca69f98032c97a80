"""A client's connection to a server: channel, credentials, and waiting until the server is healthy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from configuration.servers import TlsSettings
from core.errors import UnavailableError
from serving.rpc.call_traces import client_interceptors
from serving.rpc.renewing_channel import RenewingChannel
from serving.rpc.tls import channel_credentials, channel_files

MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message in either direction. An episode of 50 long turns has a few MB; adapters come in chunks."""

_SERVING = "SERVING"
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Keepalive:
    """How soon a connection is considered dead when nothing arrives any more.

    A dead connection is closed: its calls end as UNAVAILABLE, and the next ones connect anew.
    """

    seconds: float = 5.0
    """Seconds of silence after which the other end is sent a ping."""
    timeout: float = 5.0
    """Seconds to wait for the answer, which a busy machine may be slow to give."""

    def options(self) -> list[tuple[str, int]]:
        """The gRPC options, for a channel or a server: each watches its own side of the connection."""
        return [
            ("grpc.keepalive_time_ms", int(1000 * self.seconds)),
            ("grpc.keepalive_timeout_ms", int(1000 * self.timeout)),
            # gRPC also sends pings to measure bandwidth; while one of these is unanswered, no other is sent.
            ("grpc.http2.ping_timeout_ms", int(1000 * self.timeout)),
            # Also between calls, so that the next call finds a connection that works.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]


def open_channel(
    address: str,
    tls: TlsSettings,
    keepalive: Keepalive = Keepalive(),
) -> grpc.aio.Channel:
    """A channel to `host:port`, which connects when it is first used; unencrypted if `tls` is empty.

    Renewed certificates are used from the next call on.

    Raises:
        NotFoundError: a file of `tls` cannot be read.
        InvalidInputError: the certificate has expired, or does not belong to the key.
    """
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        *keepalive.options(),
        # Channels do not share connections, so that a new channel gets around a connection that hangs.
        ("grpc.use_local_subchannel_pool", 1),
        # A server that is just starting is tried again soon, not after up to two minutes as by default.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    files, interceptors = channel_files(tls), client_interceptors()
    if files is None:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    return RenewingChannel(
        files,
        lambda found: grpc.aio.secure_channel(
            address, channel_credentials(found), options=options, interceptors=interceptors
        ),
    )


async def wait_healthy(channel: grpc.aio.Channel, seconds: float, *services: str) -> None:
    """Returns once the health of one of `services`, by default of the server as a whole (`""`), is SERVING.

    Raises:
        UnavailableError: none is within that many seconds; says what it answered last.
    """
    stub = health_pb2_grpc.HealthStub(channel)
    last = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                for service in services or ("",):
                    last = await _health(stub, service)
                    if last == _SERVING:
                        return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise UnavailableError(f"not healthy within {seconds:g} s: {last}") from None


async def _health(stub: health_pb2_grpc.HealthStub, service: str) -> str:
    """The name of the status, or why there is none."""
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5.0)
    except grpc.aio.AioRpcError as error:
        return error.details() or error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
