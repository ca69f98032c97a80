"""Divides wall time into parts that add up to the whole."""

from __future__ import annotations

from collections.abc import Callable

from run_folder.metric_names import TIME_STEP


class Stopwatch:
    """Assigns every second since its construction to one part. Not thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never goes backwards."""
        self._clock = clock
        self._last = clock()
        self._seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """Assigns the time since the previous lap to this part, which is the name of a metric."""
        now = self._clock()
        self._seconds[part] = self._seconds.get(part, 0.0) + now - self._last
        self._last = now

    def take(self) -> dict[str, float]:
        """Returns the seconds of each part, and their sum as `TIME_STEP`; then all parts start from 0."""
        taken, self._seconds = self._seconds, {}
        return taken | {TIME_STEP: sum(taken.values())}
