"""What can be wrong with a game file."""

from __future__ import annotations

from environments.errors import EnvironmentDataError


class GameFileError(EnvironmentDataError):
    """A game file that is truncated, of another program, or of rules that this engine does not play."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__(f"{origin}: {reason}")
        self.origin = origin
        self.reason = reason
