"""A drill injects many faults into real parts, and checks after each that nothing was lost or doubled."""

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
    """Number of injected faults."""
    survived: int
    """Number of faults after which every check of the drill passed."""
    lost: int = 0
    """Number of acknowledged things that were gone afterwards."""
    doubled: int = 0
    """Number of things that were stored, counted or trained on twice."""
    note: str = ""
    """Remark for the table."""

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
    """The size and the seed of a drill."""

    seed: int = 0
    scale: float = 1.0
    """Share of the faults; 1 is the whole drill, and the test suite runs a few hundredths of it."""

    def count(self, whole: int, least: int = 1) -> int:
        """The number of faults to inject, of `whole`."""
        return max(least, round(whole * self.scale))

    def stride(self, most: int) -> int:
        """Distance between neighbouring faults, at most `most`; a whole drill has a fault at every place."""
        return min(most, max(1, round(1 / self.scale)))


Drill = Callable[[Effort], Row]
Drills = Callable[[Effort], list[Row]]
"""Several drills that share their servers."""


def table(rows: list[Row]) -> Table:
    shown = Table(*COLUMNS)
    for row in rows:
        # Notes hold answers of servers, which may look like markup.
        shown.add_row(*map(escape, row.cells))
    return shown
