"""Metrics of a server's calls for Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.rpc.status import AroundCalls, CallEnd

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class CallMetrics(AroundCalls):
    """Counts calls by method and status code, measures their seconds, and counts those running now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("hiper_calls", "Calls that have ended.", ("method", "code"), registry=registry)
        self._seconds = Histogram(
            "hiper_call_seconds", "Seconds of a call.", ("method",), registry=registry, buckets=_SECONDS
        )
        self._running = Gauge("hiper_calls_running", "Calls that run now.", ("method",), registry=registry)

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        began, end = time.perf_counter(), CallEnd(context)
        with self._running.labels(method).track_inprogress():
            try:
                with end:
                    yield
            finally:
                self._calls.labels(method, end.code).inc()
                self._seconds.labels(method).observe(time.perf_counter() - began)
