"""What happens around every call: errors become status codes, calls are counted and timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

from serving.errors import HiperError
from serving.status import status_code

log = logging.getLogger(__name__)

Handler = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps handlers with one response: unary ones, and those that take a stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "hiper_calls", "Calls answered, by status code.", ["method", "code"], registry=registry
        )
        self._seconds = Histogram("hiper_call_seconds", "Seconds in a call.", ["method"], registry=registry)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        # Health and reflection stream their answers, and have their own way with errors.
        if handler is None or handler.response_streaming:
            return handler
        kind = grpc.stream_unary_rpc_method_handler if handler.request_streaming else None
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
        return (kind or grpc.unary_unary_rpc_method_handler)(
            self._around(inner, handler_call_details.method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
            began = time.perf_counter()
            code = grpc.StatusCode.CANCELLED
            try:
                response = await inner(request, context)
                code = grpc.StatusCode.OK
                return response
            except HiperError as error:
                code = status_code(error)
                await context.abort(code, str(error))
            except grpc.aio.AbortError:
                code = context.code() or grpc.StatusCode.UNKNOWN
                raise
            except Exception as error:  # a fault of ours: the log has it whole, the caller its name
                code = grpc.StatusCode.INTERNAL
                log.exception("%s failed", method)
                await context.abort(
                    code, f"internal error ({type(error).__name__}); the server's log has more"
                )
            finally:
                self._calls.labels(method, code.name).inc()
                self._seconds.labels(method).observe(time.perf_counter() - began)

        return call
