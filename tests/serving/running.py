"""Engines and gRPC servers that run for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from serving.embedded.engine import EmbeddedEngine


@asynccontextmanager
async def running(engine: EmbeddedEngine) -> AsyncIterator[EmbeddedEngine]:
    """The engine, started; it is closed at the end."""
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def listening(*add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    """The address on loopback of a server to which each of `add` has added a service."""
    server = grpc.aio.server()
    for each in add:
        each(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
