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
"""Exit code of a command that has failed; the same command may succeed later."""
REFUSED = 2
"""Exit code of a command whose request can never succeed as it is."""

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
    """A signal has ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = of_signal(number)


def of_error(error: HiperError) -> int:
    """The exit code of a command that ends with this error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def of_signal(number: int) -> int:
    """The exit code after a signal, in the convention of shells: 130 for Ctrl-C (SIGINT), 143 for SIGTERM."""
    return 128 + signal.Signals(number)
