"""Traces of calls: the caller's span travels in the metadata, and the server's span is recorded below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from core import tracing
from serving.rpc.status import AroundCalls, CallEnd


class SendsSpan(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends the current span with each call, as W3C's `traceparent`."""

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()), *tracing.call_metadata().items())
        return await continuation(client_call_details._replace(metadata=metadata), request)


def client_interceptors() -> Sequence[grpc.aio.ClientInterceptor]:
    """The interceptors of a channel; none unless spans are recorded."""
    return [SendsSpan()] if tracing.is_on() else []


class CallTraces(AroundCalls):
    """Records a span for each call that comes with one, with method and status code."""

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        name, end = method.lstrip("/"), CallEnd(context)
        metadata = {
            key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)
        }
        with tracing.call_span(name, metadata) as span:
            try:
                with end:
                    yield
            finally:
                # Names of OpenTelemetry's semantic conventions.
                span.set_attributes(
                    {"rpc.system.name": "grpc", "rpc.method": name, "rpc.response.status_code": end.code}
                )
