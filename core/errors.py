"""One tree of errors for all services; `serving/rpc/status.py` maps it to gRPC status codes, in one place."""


class HiperError(Exception):
    """An error whose message tells a person what was wrong and what is accepted."""


class InvalidInputError(HiperError):
    """The caller's input can never succeed as it is."""


class CorruptDataError(HiperError):
    """Data arrived or was read that is not what was sent or written, such as a wrong hash."""


class PreconditionError(HiperError):
    """The system is not in the state that the call needs, such as another run, role or base model."""


class NotFoundError(HiperError):
    """A named thing that is not there; the message lists those that are."""


class ConflictError(HiperError):
    """A name that is taken by something else."""


class ExhaustedError(HiperError):
    """No room now, in a queue or on a disk; later may succeed."""


class UnavailableError(HiperError):
    """The service cannot answer now: it starts, drains, has failed, or is not there."""


class DivergedError(HiperError):
    """Training has come to numbers that are not finite, and cannot mend itself."""


class PromptTooLongError(InvalidInputError):
    """A prompt that leaves no room for its answer within the context length."""


class QueueFullError(ExhaustedError):
    """More requests wait than the engine takes."""


class ConfigurationError(HiperError):
    """What a person did wrong on the command line or in a configuration file; commands exit with 2."""
