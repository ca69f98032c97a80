"""Metrics of a server's calls for Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.rpc.status import wrap_handler

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class CallMetrics(grpc.aio.ServerInterceptor):
    """Counts calls by method and status code, measures their seconds, and counts those running now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("hiper_calls", "Calls that have ended.", ("method", "code"), registry=registry)
        self._seconds = Histogram(
            "hiper_call_seconds", "Seconds of a call.", ("method",), registry=registry, buckets=_SECONDS
        )
        self._running = Gauge("hiper_calls_running", "Calls that run now.", ("method",), registry=registry)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        return wrap_handler(handler, handler_call_details.method, self._around)

    @asynccontextmanager
    async def _around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        began = time.perf_counter()
        ended_with = "CANCELLED"
        with self._running.labels(method).track_inprogress():
            try:
                yield
                ended_with = "OK"
            except grpc.aio.AbortError:
                ended_with = code_name(context.code())
                raise
            finally:
                self._calls.labels(method, ended_with).inc()
                self._seconds.labels(method).observe(time.perf_counter() - began)


def code_name(code: Any) -> str:
    """The name of a status code that a servicer's context has: `NOT_FOUND`."""
    return code.name if isinstance(code, grpc.StatusCode) else str(code)
