"""The gRPC status code of each class of errors, for servers and clients."""

from __future__ import annotations

import grpc

from core.errors import (
    BehindError,
    ClaimedError,
    ConflictError,
    CorruptDataError,
    DivergedError,
    ExhaustedError,
    ForbiddenError,
    HiperError,
    InvalidInputError,
    LapsedError,
    NotFoundError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)

CODES: dict[type[HiperError], grpc.StatusCode] = {
    HiperError: grpc.StatusCode.INTERNAL,
    InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    CorruptDataError: grpc.StatusCode.DATA_LOSS,
    PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ConflictError: grpc.StatusCode.ALREADY_EXISTS,
    ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    DivergedError: grpc.StatusCode.ABORTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
}
"""Codes by class of error; a class that is missing here has the code of its nearest base class."""

REASON_KEY = "hiper-reason"
"""Key in the trailing metadata of a status that tells errors of the same code apart."""

REASONS: dict[type[HiperError], str] = {
    BehindError: "behind",
    LapsedError: "lapsed",
    ClaimedError: "claimed",
}
"""Values of that key; a class that is missing here has none."""


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason that came with a status; empty if there is none."""
    return str(dict(error.trailing_metadata() or ()).get(REASON_KEY, ""))
