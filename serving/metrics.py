"""What a server counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.adapter_slot import AdapterSlot
from serving.engine import Engine
from serving.status import wrap_handler

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class CallMetrics(grpc.aio.ServerInterceptor):
    """Calls by method and status code, their seconds, and how many run now."""

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
                ended_with = _name(context.code())
                raise
            finally:
                self._calls.labels(method, ended_with).inc()
                self._seconds.labels(method).observe(time.perf_counter() - began)


class ModelMetrics(Collector):
    """Tokens and adapter version of a model server, read when they are asked for."""

    def __init__(self, engine: Engine, slot: AdapterSlot) -> None:
        self._engine, self._slot = engine, slot

    def collect(self) -> Iterable[Metric]:
        counters = self._engine.counters
        tokens = CounterMetricFamily("hiper_tokens", "Tokens since the start.", labels=("kind",))
        tokens.add_metric(("generated",), counters.generated_tokens)
        tokens.add_metric(("prompt",), counters.prompt_tokens)
        tokens.add_metric(("shared_prompt",), counters.shared_prompt_tokens)
        yield tokens
        yield GaugeMetricFamily(
            "hiper_adapter_version", "Served adapter version; -1: base model.", self._slot.state.version
        )


def _name(code: Any) -> str:
    return code.name if isinstance(code, grpc.StatusCode) else str(code)
