"""Limits the number of calls that a server handles at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health

from core.errors import ExhaustedError
from serving.rpc.status import wrap_handler

_HEALTH = f"/{health.SERVICE_NAME}/"


class CallLimit(grpc.aio.ServerInterceptor):
    """Refuses calls with `ExhaustedError` while `most` others are running, except for health checks.

    A full server is healthy; if it did not answer health checks, it would be restarted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.running = 0
        """Number of calls that are being handled, without health checks."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler_call_details.method.startswith(_HEALTH):
            return handler
        return wrap_handler(handler, handler_call_details.method, self._counted)

    @asynccontextmanager
    async def _counted(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        if self.running >= self._most:
            raise ExhaustedError(f"{self._most} calls (max_calls) are handled already; try again later")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
