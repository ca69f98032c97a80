"""Traces of calls: the caller's span travels in the metadata, and the server's span is recorded below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from core import tracing
from serving.rpc.call_metrics import code_name
from serving.rpc.status import wrap_handler


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


class CallTraces(grpc.aio.ServerInterceptor):
    """Records a span for each call that comes with one, with method and status code."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        return wrap_handler(handler, handler_call_details.method, self._around)

    @asynccontextmanager
    async def _around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        name, ended_with = method.lstrip("/"), "CANCELLED"
        metadata = {
            key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)
        }
        with tracing.call_span(name, metadata) as span:
            try:
                yield
                ended_with = "OK"
            except grpc.aio.AbortError:
                ended_with = code_name(context.code())
                raise
            finally:
                # Names of OpenTelemetry's semantic conventions.
                span.set_attributes(
                    {"rpc.system.name": "grpc", "rpc.method": name, "rpc.response.status_code": ended_with}
                )
