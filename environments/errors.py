"""What can be wrong with a benchmark's data, or with what was asked of it; messages are for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchmarkError(Exception):
    """Base of the errors that `environments` raises."""


class EnvironmentDataError(BenchmarkError):
    """Data is missing, incomplete, truncated, or of another program."""


class DataNotFoundError(EnvironmentDataError):
    """There is no data where it was looked for; none that is broken either."""


class OutputError(BenchmarkError):
    """Something is already where a command was told to write."""


class MissingDependencyError(BenchmarkError):
    """An optional package that the request needs is not installed."""


class UnknownNameError(BenchmarkError, LookupError):
    """A name that is none of the accepted ones."""

    kind = "name"

    def __init__(self, name: str, accepted: Iterable[str], *, shown: int = 12) -> None:
        names = sorted(accepted)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        listed = ", ".join(names[:shown]) + (f", … ({len(names)} in all)" if len(names) > shown else "")
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        super().__init__(f"unknown {self.kind} {name[:200]!r}.{hint} Accepted: {listed or 'none'}.")
        self.name = name


class UnknownEnvironmentError(UnknownNameError):
    """No environment of that name is registered."""

    kind = "environment"


class UnknownTaskError(UnknownNameError):
    """The benchmark has no task of that id."""

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
    """An action that is no text; the episode is as it was."""

    def __init__(self, action: object) -> None:
        super().__init__(f"an action is text (str), not {type(action).__name__}")


class EpisodeError(BenchmarkError, RuntimeError):
    """`step` or `snapshot` before the first `reset`, or `step` after the end of an episode."""
