"""The error classes that all parts share.

`serving/rpc/codes.py` gives them gRPC status codes, and `core/exit_codes.py` exit codes.
"""


class HiperError(Exception):
    """Base of all errors raised on purpose; the message says what was wrong and what is accepted."""


class InvalidInputError(HiperError):
    """The caller's input is wrong: repeating the call with it can never succeed."""


class CorruptDataError(HiperError):
    """Data that was received or read differs from what was sent or written; its hash may show it."""


class PreconditionError(HiperError):
    """The system is in the wrong state for the call: another run, role or base model, for example."""


class NotFoundError(HiperError):
    """Something with the given name does not exist; the message lists the names that do."""


class ConflictError(HiperError):
    """The name is already taken by something else."""


class ExhaustedError(HiperError):
    """A queue or a disk is full; the same call may succeed later."""


class UnavailableError(HiperError):
    """The service cannot answer now: it is starting, shutting down, has failed, or cannot be reached."""


class BehindError(UnavailableError):
    """A model server does not serve the adapter that the call needs yet, or any more."""


class SlowError(UnavailableError):
    """The service has not answered within the deadline of the call."""


class LapsedError(PreconditionError):
    """The lease of an episode is not open any more; another may be asked for."""


class ClaimedError(PreconditionError):
    """A run has claimed the model server, so that only this run changes what is served."""


class AddressInUseError(UnavailableError):
    """A server cannot listen at its address: the port is in use, or the machine does not have the address."""


class UnauthenticatedError(HiperError):
    """The caller has not shown who it is."""


class ForbiddenError(HiperError):
    """The caller may not make this call; the message says who may."""


class DivergedError(HiperError):
    """Training produced infinities or NaNs and cannot continue."""


class PromptTooLongError(InvalidInputError):
    """The prompt leaves no room for an answer within the model's context length."""


class QueueFullError(ExhaustedError):
    """The engine's queue of waiting requests is full."""


class ConfigurationError(InvalidInputError):
    """A mistake on the command line or in a configuration file."""
