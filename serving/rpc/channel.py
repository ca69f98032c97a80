"""A client's way to a server: the channel, its credentials, and waiting until the server is healthy."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from configuration.servers import TlsSettings
from core.errors import UnavailableError
from serving.rpc.tls import channel_credentials

MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message either way. An episode of 50 long turns is a few MB; adapters come in chunks."""

_POLL_SECONDS = 0.1


def open_channel(address: str, tls: TlsSettings) -> grpc.aio.Channel:
    """A channel to `host:port`, which connects when it is first used; plain where `tls` is empty."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        # A server that starts is asked again soon, not after gRPC's two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    credentials = channel_credentials(tls)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def wait_healthy(channel: grpc.aio.Channel, seconds: float, service: str = "") -> None:
    """Returns once the health of `service`, or of the server as a whole, is SERVING.

    Raises:
        UnavailableError: it is not within that many seconds; says what it answered last.
    """
    stub = health_pb2_grpc.HealthStub(channel)
    last = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5.0)
                except grpc.aio.AioRpcError as error:
                    last = error.details() or error.code().name
                else:
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                    last = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise UnavailableError(f"not healthy within {seconds:g} s: {last}") from None
