"""Errors in a benchmark's data or in what was asked of it; the messages are written for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from core.errors import InvalidInputError


class BenchmarkError(InvalidInputError):
    """Base of the errors that `environments` raises."""


class EnvironmentDataError(BenchmarkError):
    """Data is missing, incomplete or truncated, or was not made for this benchmark."""


class DataNotFoundError(EnvironmentDataError):
    """There is no data at all where it was looked for."""


class OutputError(BenchmarkError):
    """A command was told to write where something exists already."""


class MissingDependencyError(BenchmarkError):
    """An optional package that is needed here is not installed."""


class BrokenEnvironmentError(BenchmarkError):
    """An environment from outside this repository does not keep its contract."""


class NoDemonstrationError(BenchmarkError):
    """A benchmark has nobody who demonstrates its tasks."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"environment {name} has no demonstrations to imitate: --no-warm-start begins without any, and "
            "--imitation.teacher names a scripted player if the environment has one"
        )


class UnknownNameError(BenchmarkError, LookupError):
    """A name that is not accepted; the message lists the accepted ones and suggests the closest."""

    kind = "name"

    def __init__(self, name: str, accepted: Iterable[str], *, shown: int = 12) -> None:
        names = sorted(accepted)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        listed = ", ".join(names[:shown]) + (f", … ({len(names)} in all)" if len(names) > shown else "")
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        super().__init__(f"unknown {self.kind} {name[:200]!r}.{hint} Accepted: {listed or 'none'}.")
        self.name = name


class UnknownEnvironmentError(UnknownNameError):
    """There is no environment of that name in the registry."""

    kind = "environment"


class UnknownTaskError(UnknownNameError):
    """The benchmark has no task with that id."""

    kind = "task"


class UnknownTaskTypeError(UnknownNameError):
    """The benchmark has no task type of that name."""

    kind = "task type"


class UnknownSplitError(UnknownNameError):
    """The benchmark has no split of that name."""

    kind = "split"


class UnknownPolicyError(UnknownNameError):
    """The benchmark has no scripted player of that name."""

    kind = "policy"


class ActionTypeError(BenchmarkError, TypeError):
    """The action is not a string; the episode has not changed."""

    def __init__(self, action: object) -> None:
        super().__init__(f"an action must be text (str), not {type(action).__name__}")


class EpisodeError(BenchmarkError, RuntimeError):
    """`step` or `snapshot` was called before the first `reset`, or `step` after the end of an episode."""
