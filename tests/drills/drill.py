"""What a drill is: faults are injected into real parts, and the same oracle says what they did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

COLUMNS = ("drill", "injected", "survived", "lost", "doubled", "note")


@dataclass(frozen=True)
class Row:
    """The result of one drill."""

    drill: str
    injected: int
    """Faults that were injected."""
    survived: int
    """Faults after which every check of the drill passed."""
    lost: int = 0
    """Acknowledged things that were gone afterwards."""
    doubled: int = 0
    """Things that were stored, counted or trained on twice."""
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of `COLUMNS`."""
        counts = (self.injected, self.survived, self.lost, self.doubled)
        return (self.drill, *(f"{count:,}" for count in counts), self.note)

    @property
    def passed(self) -> bool:
        return self.survived == self.injected and not self.lost and not self.doubled


@dataclass(frozen=True)
class Effort:
    """How much of a drill is run, and from which seed."""

    seed: int = 0
    scale: float = 1.0
    """1 is the whole drill; its short form in the test suite is a few hundredths of it."""

    def count(self, whole: int, least: int = 1) -> int:
        """How many of `whole` faults are injected."""
        return max(least, round(whole * self.scale))

    def stride(self, most: int) -> int:
        """Step between neighbouring faults where the whole drill takes every place, at most `most`."""
        return min(most, max(1, round(1 / self.scale)))


Drill = Callable[[Effort], Row]
Drills = Callable[[Effort], list[Row]]
"""Several that share their servers."""


def table(rows: list[Row]) -> Table:
    shown = Table(*COLUMNS)
    for row in rows:
        # Notes hold answers of servers, which may look like markup.
        shown.add_row(*map(escape, row.cells))
    return shown
