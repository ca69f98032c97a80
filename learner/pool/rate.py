"""The rate at which a model server samples tokens, from the totals that it reports."""

from __future__ import annotations

from collections import deque

_WINDOW_SECONDS = 10.0


class TokenRate:
    """The mean rate over the last ten seconds of reports, of one incarnation."""

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int]] = deque()

    def add(self, now: float, tokens: int) -> None:
        """The server has sampled so many tokens since it started; `now` is in seconds."""
        self._reports.append((now, tokens))
        while len(self._reports) > 2 and self._reports[1][0] <= now - _WINDOW_SECONDS:
            self._reports.popleft()

    @property
    def per_second(self) -> float:
        """Tokens per second; 0 with fewer than two reports."""
        if len(self._reports) < 2:
            return 0.0
        (began, first), (ended, last) = self._reports[0], self._reports[-1]
        return max(0, last - first) / (ended - began) if ended > began else 0.0
