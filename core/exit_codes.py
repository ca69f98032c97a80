"""The exit codes of all commands, and the errors that lead to them."""

from __future__ import annotations

import signal

from core.errors import (
    AddressInUseError,
    ConflictError,
    CorruptDataError,
    ForbiddenError,
    HiperError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    UnauthenticatedError,
)

FAILED = 1
"""The command began and failed; the same command may succeed later."""
REFUSED = 2
"""The request cannot be met as it is."""

EXIT_CODES: dict[type[HiperError], int] = {
    HiperError: FAILED,
    InvalidInputError: REFUSED,
    CorruptDataError: REFUSED,
    PreconditionError: REFUSED,
    NotFoundError: REFUSED,
    ConflictError: REFUSED,
    AddressInUseError: REFUSED,
    UnauthenticatedError: REFUSED,
    ForbiddenError: REFUSED,
}
"""Exit codes by class of error; a class that is missing here has the code of its nearest base class."""


class Interrupted(Exception):
    """The command was ended by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = of_signal(number)


def of_error(error: HiperError) -> int:
    """The exit code of a command that ends with this error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def of_signal(number: int) -> int:
    """As shells write it: 130 for Ctrl-C (SIGINT), 143 for SIGTERM."""
    return 128 + signal.Signals(number)
