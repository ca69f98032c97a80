"""A channel that presents renewed certificates; gRPC's own channels keep the first ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from serving.rpc.certificates import CertificateFiles, Certificates

_GRACE_SECONDS = 600.0
"""Time that calls on the connection with the old certificates get to end."""


class RenewingChannel(grpc.aio.Channel):
    """Opens a new gRPC channel whenever certificates are renewed, and makes calls on the newest one."""

    def __init__(
        self, files: CertificateFiles, open_with: Callable[[Certificates], grpc.aio.Channel]
    ) -> None:
        """`open_with` opens a channel with the given certificates."""
        self._files, self._open_with = files, open_with
        self._newest = open_with(files.read())
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def newest(self) -> grpc.aio.Channel:
        """The channel with the newest certificates; older ones are closed when their calls have ended."""
        if (renewed := self._files.renewed()) is not None:
            before, self._newest = self._newest, self._open_with(renewed)
            closing = asyncio.ensure_future(before.close(_GRACE_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return self._newest

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        return _Calls(self, lambda channel: channel.unary_unary(*arguments, **named))

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        return _Calls(self, lambda channel: channel.unary_stream(*arguments, **named))

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        return _Calls(self, lambda channel: channel.stream_unary(*arguments, **named))

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        return _Calls(self, lambda channel: channel.stream_stream(*arguments, **named))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.newest.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.newest.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.newest.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        for closing in self._closing:
            closing.cancel()
        await self._newest.close(grace)

    async def __aenter__(self) -> RenewingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Calls:
    """The callable that a stub uses for a method, on whichever channel is the newest."""

    def __init__(self, channel: RenewingChannel, of: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel, self._of = channel, of
        self._on: grpc.aio.Channel | None = None
        self._calls: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        newest = self._channel.newest
        if newest is not self._on:
            self._on, self._calls = newest, self._of(newest)
        return self._calls(*arguments, **named)
