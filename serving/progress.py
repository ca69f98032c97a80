"""Notices that an engine has stopped to compute although calls wait for it."""

from __future__ import annotations

import math

_LEAST_LOOKS = 20
_LONGEST_PAUSE = 1.0


class ProgressWatch:
    """Compares the engine's number of steps from one look to the next.

    Looks are counted instead of measuring the time, so that a process which was suspended for a while is not
    taken for one that hangs.
    """

    def __init__(self, seconds: float) -> None:
        """The engine is stuck after about `seconds` without a step."""
        self.pause = min(_LONGEST_PAUSE, seconds / _LEAST_LOOKS)
        """Seconds to wait between two looks."""
        self._seconds = seconds
        self._most = math.ceil(seconds / self.pause)
        self._steps = -1
        self._looks = 0

    def look(self, steps: int, waiting: int) -> str | None:
        """Takes a look.

        Args:
            steps: Number of steps that the engine has made.
            waiting: Number of calls that wait for it.

        Returns:
            What to say of an engine that is stuck: calls waited at all of the last looks, and no step was
            made between them. None if it is not.
        """
        progress = steps != self._steps or not waiting
        self._steps, self._looks = steps, 0 if progress else self._looks + 1
        if self._looks < self._most:
            return None
        return f"the model has computed nothing for {self._seconds:g} s although {waiting} calls wait for it"
