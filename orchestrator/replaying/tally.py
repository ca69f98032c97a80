"""Prints and counts the results of replays."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from core.errors import HiperError
from core.exit_codes import FAILED, REFUSED
from orchestrator.replaying.replayer import Replayed


class Tally:
    """Counts replayed episodes by result."""

    def __init__(self, console: Console, near_ties_pass: bool = False) -> None:
        """With `near_ties_pass`, an episode whose only differences are near ties counts as identical."""
        self.console = console
        self._near_ties_pass = near_ties_pass
        self._identical = self._near_ties = self._different = self._failures = 0
        self._sampled = 0
        self._largest = 0.0

    def add(self, replayed: Replayed) -> None:
        """Counts a replayed episode."""
        self._sampled += replayed.sampled
        self._largest = max(self._largest, replayed.largest)
        if replayed.identical:
            self._identical += 1
        elif replayed.only_near_ties:
            self._near_ties += 1
        else:
            self._different += 1

    def add_failure(self, number: int, error: HiperError) -> None:
        """Counts and prints an episode that cannot be replayed."""
        self._failures += 1
        self.say(f"episode {number}: cannot be replayed: {error}")

    def say(self, *lines: str) -> None:
        """Prints lines, above a progress bar if there is one."""
        for line in lines:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def exit_code(self) -> int:
        """0 if all episodes are identical, 1 if one differs, otherwise 2, as one cannot be replayed."""
        if self._different or (self._near_ties and not self._near_ties_pass):
            return FAILED
        return REFUSED if self._failures else 0

    @property
    def summary(self) -> str:
        """The counts in one line."""
        parts = [
            f"{self._identical} identical",
            f"{self._near_ties} identical except for near ties" if self._near_ties else "",
            f"{self._different} different" if self._different else "",
            f"{self._failures} cannot be replayed" if self._failures else "",
        ]
        total = self._identical + self._near_ties + self._different + self._failures
        return (
            f"{total} episodes: {', '.join(filter(None, parts))}. {self._sampled} sampled tokens, "
            f"log-probabilities within {self._largest:.1e} nats"
        )


def described(replayed: Replayed) -> list[str]:
    """The result of one replay, in lines."""
    name = f"episode {replayed.number}"
    size = (
        f"{replayed.turns} turns, {replayed.sampled} sampled tokens, log-probabilities within "
        f"{replayed.largest:.1e} nats"
    )
    if replayed.identical:
        return [f"{name}: identical ({size})"]
    if replayed.only_near_ties:
        ties = "; ".join(map(str, replayed.differences))
        return [f"{name}: identical except for near ties ({size})", f"  {ties}"]
    fields = Counter(each.kind for each in replayed.differences)
    counts = ", ".join(f"{count} × {kind}" for kind, count in fields.items())
    return [f"{name}: differs ({size})", f"  first: {replayed.first}", f"  all: {counts}"]
