"""How many episodes are bound to each model server, as the orchestrators report with their renewals."""

from __future__ import annotations

from collections.abc import Mapping


class HolderLoads:
    """The last report of each holder. Called from one event loop; time is passed in, in seconds."""

    def __init__(self, seconds: float) -> None:
        """A report counts for this many seconds, unless its holder replaces it."""
        self._seconds = seconds
        self._reports: dict[str, tuple[float, Mapping[str, int]]] = {}

    def report(self, holder: str, episodes: Mapping[str, int], now: float) -> None:
        """A holder's number of bound episodes by address."""
        self._reports[holder] = (now, dict(episodes))

    def totals(self, now: float) -> dict[str, int]:
        """Sums over the holders by address; those that have been silent for too long are dropped."""
        self._reports = {
            holder: report for holder, report in self._reports.items() if report[0] + self._seconds > now
        }
        sums: dict[str, int] = {}
        for _, episodes in self._reports.values():
            for address, count in episodes.items():
                sums[address] = sums.get(address, 0) + count
        return sums
