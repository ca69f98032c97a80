"""Turns the errors that handlers raise into gRPC statuses."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

import grpc

from core.errors import HiperError, InvalidInputError
from serving.rpc.codes import CODES, REASON_KEY, REASONS

_log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 2000
"""Limit in bytes: gRPC sends messages in a header, encoded up to three times as long, which peers limit to 8
KiB."""


def status_code(error: Exception) -> grpc.StatusCode:
    """The status code of an error: that of its class or nearest base class that has one, else INTERNAL."""
    codes = (CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    return next(codes, grpc.StatusCode.INTERNAL)


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Ends a call whose handler raised an error with the error's status; logs unexpected errors in full."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        return wrap_handler(refusing_bad_bytes(handler), handler_call_details.method, _errors_as_status)


Around = Callable[[str, grpc.aio.ServicerContext], Any]
"""Function that makes the asynchronous context manager around one call of a method."""


def wrap_handler(handler: grpc.RpcMethodHandler | None, method: str, around: Around) -> Any:
    """The handler with each call inside `around(method, context)`; None for an unknown method."""
    if handler is None:
        return None
    kind = _kind(handler)
    behaviour = getattr(handler, kind)
    wrapped = _streaming if handler.response_streaming else _single
    return getattr(grpc, f"{kind}_rpc_method_handler")(
        wrapped(behaviour, method, around),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


class AroundCalls(grpc.aio.ServerInterceptor, ABC):
    """Puts each call of a method that exists inside `around`."""

    @abstractmethod
    def around(self, method: str, context: grpc.aio.ServicerContext) -> AbstractAsyncContextManager[None]:
        """The asynchronous context manager around one call."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        return wrap_handler(handler, handler_call_details.method, self.around)


class CallEnd(AbstractContextManager["CallEnd"]):
    """Notes with which status code the call in its block ends."""

    def __init__(self, context: grpc.aio.ServicerContext) -> None:
        self._context = context
        self.code = "CANCELLED"
        """Name of the code, such as `NOT_FOUND`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.code = "OK"
        elif isinstance(error, grpc.aio.AbortError):
            code: Any = self._context.code()
            self.code = code.name if isinstance(code, grpc.StatusCode) else str(code)


@dataclass(frozen=True)
class _Undecodable:
    """Placeholder for a request whose bytes cannot be decoded."""

    reason: str

    def refuse(self) -> NoReturn:
        raise InvalidInputError(f"the request cannot be decoded: {self.reason}")


def refusing_bad_bytes(handler: grpc.RpcMethodHandler | None) -> Any:
    """The handler with `InvalidInputError` for requests whose bytes cannot be decoded.

    gRPC itself answers UNKNOWN or INTERNAL to such requests, as if it were the server's fault.
    """
    if handler is None:
        return None
    kind = _kind(handler)
    decode, behaviour = handler.request_deserializer, getattr(handler, kind)

    def decoded(content: bytes) -> Any:
        try:
            return decode(content)
        except Exception as error:
            return _Undecodable(str(error))

    async def all_decoded(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            if isinstance(request, _Undecodable):
                request.refuse()
            yield request

    def checked(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if isinstance(request, _Undecodable):
            request.refuse()
        return behaviour(all_decoded(request) if handler.request_streaming else request, context)

    return getattr(grpc, f"{kind}_rpc_method_handler")(
        checked, request_deserializer=decoded, response_serializer=handler.response_serializer
    )


def _kind(handler: grpc.RpcMethodHandler) -> str:
    """The kind of a handler in gRPC's names, such as `unary_unary` or `stream_unary`."""
    asked = "stream" if handler.request_streaming else "unary"
    return f"{asked}_{'stream' if handler.response_streaming else 'unary'}"


def _single(behaviour: Any, method: str, around: Around) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        async with around(method, context):
            return await behaviour(request, context)

    return call


def _streaming(behaviour: Any, method: str, around: Around) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> None:
        async with around(method, context):
            responses = behaviour(request, context)
            if not hasattr(responses, "__aiter__"):
                await responses
                return
            async for response in responses:
                await context.write(response)

    return call


@asynccontextmanager
async def _errors_as_status(method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
    try:
        yield
    except HiperError as error:
        reason = REASONS.get(type(error))
        metadata = ((REASON_KEY, reason),) if reason else ()
        await context.abort(status_code(error), _shortened(str(error)), metadata)
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        if context.code() is grpc.StatusCode.UNIMPLEMENTED:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not served here")
        _log.exception("%s failed", method)
        message = f"{type(error).__name__}: {error}; the server's log has the whole of it"
        await context.abort(grpc.StatusCode.INTERNAL, _shortened(message))


def _shortened(message: str) -> str:
    return message.encode("utf-8", "replace")[:_LONGEST_MESSAGE].decode("utf-8", "ignore")
