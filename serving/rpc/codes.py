"""The gRPC status code of each class of errors, for servers and clients."""

from __future__ import annotations

import grpc

from core.errors import (
    ConflictError,
    CorruptDataError,
    DivergedError,
    ExhaustedError,
    ForbiddenError,
    HiperError,
    InvalidInputError,
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
