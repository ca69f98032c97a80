"""Errors to gRPC status codes and back: the one place that knows both."""

from __future__ import annotations

import grpc

from serving.errors import (
    ConflictError,
    CorruptDataError,
    ExhaustedError,
    HiperError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)

ERRORS: dict[grpc.StatusCode, type[HiperError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.DATA_LOSS: CorruptDataError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
}


def status_code(error: Exception) -> grpc.StatusCode:
    """The code that an error of our tree is answered with; INTERNAL for any other."""
    return next((code for code, kind in ERRORS.items() if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
