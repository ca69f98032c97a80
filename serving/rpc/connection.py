"""Calls to a server, whose failures become errors of `core.errors` with messages that name the server."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from core.errors import HiperError, PreconditionError, SlowError, UnavailableError
from serving.rpc.codes import CODES, REASONS, reason_of
from serving.rpc.retry import Retrier, RetryPolicy

ResponseT = TypeVar("ResponseT")

_ERRORS = {code: kind for kind, code in CODES.items()}
_OF_REASON = {reason: kind for kind, reason in REASONS.items()}

_NOBODY_THERE = (
    "failed to connect",
    "connection refused",
    "dns resolution failed",
    "socket closed",
    "connection reset",
)


@dataclass(frozen=True)
class Server:
    """A server, by the names that messages use."""

    section: str
    """Section of the configuration: `planner`, `executor` or `learner`."""
    address: str

    def __str__(self) -> str:
        return f"the {self.section} at {self.address}"


class WrongServerError(PreconditionError):
    """A server answers, but does not know the call."""


class Connection:
    """A channel to one server; calls have a deadline and are retried while the server is not ready."""

    def __init__(
        self, channel: grpc.aio.Channel, server: Server, seconds: float, policy: RetryPolicy
    ) -> None:
        self.channel = channel
        self.server = server
        self._seconds = seconds
        self._retrier = Retrier(policy)

    async def call(
        self,
        method: Callable[..., Awaitable[ResponseT]],
        request: Any,
        longest_try: float = math.inf,
    ) -> ResponseT:
        """Calls the method and returns its response; each try ends after `longest_try` seconds, or sooner.

        Raises:
            HiperError: the class is the one that the status code stands for; the message names the server.
        """
        seconds = min(self._seconds, longest_try)
        return await self._retrier(lambda: self._attempt(method, request, seconds))

    async def _attempt(
        self, method: Callable[..., Awaitable[ResponseT]], request: Any, seconds: float
    ) -> ResponseT:
        try:
            return await method(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise explained(
                self.server, error.code(), error.details() or "", seconds, reason_of(error)
            ) from error


def explained(
    server: Server, code: grpc.StatusCode, details: str, seconds: float, reason: str = ""
) -> HiperError:
    """The error that a status code stands for; the reason tells errors of the same code apart."""
    if kind := _OF_REASON.get(reason):
        return kind(f"{server}: {details}")
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in details.lower() for sign in _NOBODY_THERE):
        return UnavailableError(f"{server} is not there ({details})")
    if code is grpc.StatusCode.CANCELLED:
        # A call that we cancel raises another exception: this is gRPC's code if the server ended meanwhile.
        return UnavailableError(f"{server} ended when it was asked ({details})")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return WrongServerError(
            f"the server at {server.address} is no {server.section}; --{server.section}.address needs one"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return SlowError(
            f"{server} did not answer within {seconds:g} s. If it is only slow: more seconds "
            f"(orchestrator.call_seconds), or fewer episodes at once (orchestrator.concurrency)"
        )
    kind = _ERRORS.get(code, HiperError)
    return kind(f"{server} answered {code.name}: {details}")
