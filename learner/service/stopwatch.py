"""Wall time in parts that add up."""

from __future__ import annotations

from collections.abc import Callable

from run_folder.metric_names import TIME_STEP


class Stopwatch:
    """Every second since it was made goes into one part. Not thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds and never goes back."""
        self._clock = clock
        self._last = clock()
        self._seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """What has passed since the lap before belongs to this part, which is the name of a metric."""
        now = self._clock()
        self._seconds[part] = self._seconds.get(part, 0.0) + now - self._last
        self._last = now

    def take(self) -> dict[str, float]:
        """Seconds of each part, and their sum as `TIME_STEP`; all start from 0 again."""
        taken, self._seconds = self._seconds, {}
        return taken | {TIME_STEP: sum(taken.values())}
