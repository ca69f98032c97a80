"""The error for game files."""

from __future__ import annotations

from environments.errors import EnvironmentDataError


class GameFileError(EnvironmentDataError):
    """A game file that is truncated, of another kind, or has rules that this engine does not support."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__(f"{origin}: {reason}")
        self.origin = origin
        self.reason = reason
