"""Plays the runs of a plan, together with other commands in the same folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from studies.curves.methods import Cell
from studies.curves.plan import Plan
from studies.curves.study import Outcome, Place, finished

_POLL_SECONDS = 5.0
"""Pause before it is tried again whether a cell of another command is finished or given up."""


@dataclass(frozen=True)
class State:
    """How far the study is."""

    done: int
    total: int
    seconds_left: float | None
    """Estimate of the time that the rest takes; None before the first cell is finished."""

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {_spoken(self.seconds_left)} left"
        return f"{self.done} of {self.total} runs finished{left}"


class Cells:
    """The cells of a plan in a folder. Several processes may play them at the same time."""

    def __init__(self, plan: Plan, place: Callable[[Cell], Place]) -> None:
        self._plan, self._place = plan, place
        self._known: dict[Cell, Outcome] = {}

    def outcome(self, cell: Cell) -> Outcome | None:
        """The result of a cell, read once; None if it is not finished."""
        if cell not in self._known and (outcome := finished(self._place(cell))):
            self._known[cell] = outcome
        return self._known.get(cell)

    def reported(self) -> list[Outcome]:
        """The results that are reported, as far as they are there."""
        return [o for cell in self._plan.reported(self.outcome) if (o := self.outcome(cell))]

    def play_all(
        self,
        play: Callable[[Cell, Place], Outcome],
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Plays every cell that no other process plays, until all are finished by whomever.

        A cell is claimed while it is played. The claim of a process that has ended, however that happened, is
        void, and its cell is resumed by the next one.
        """
        while left := self._plan.unfinished(self.outcome):
            if not self._play_one(left, play, tell):
                sleep(_POLL_SECONDS)

    def _play_one(
        self, left: list[Cell], play: Callable[[Cell, Place], Outcome], tell: Callable[[str], None]
    ) -> bool:
        for cell in left:
            place = self._place(cell)
            claim = place.claimed()
            if claim is None:
                continue
            try:
                # Another process may have finished it between the look and the claim.
                if self.outcome(cell) is None:
                    tell(f"{cell.name} begins; {self.state()}")
                    self._known[cell] = play(cell, place)
            finally:
                claim.release()
            return True
        return False

    def state(self) -> State:
        """The state by this process's knowledge; the estimate assumes that others continue to help."""
        left = self._plan.unfinished(self.outcome)
        waiting = self._plan.size - len(self._known) - len(left)
        seconds = [self._expected(cell) for cell in left]
        if not self._known:
            return State(0, self._plan.size, None)
        each = fmean(o.seconds for o in self._known.values())
        working = max(1, sum(self._is_played(cell) for cell in left))
        return State(len(self._known), self._plan.size, (sum(seconds) + waiting * each) / working)

    def _expected(self, cell: Cell) -> float:
        """Mean duration of the finished cells most like this one."""
        every = list(self._known.values())
        alike = [o for o in every if o.cell.horizon == cell.horizon]
        same = [o for o in alike if o.cell.method == cell.method]
        found = same or alike or every
        return fmean(o.seconds for o in found) if found else 0.0

    def _is_played(self, cell: Cell) -> bool:
        claim = self._place(cell).claimed()
        if claim is not None:
            claim.release()
        return claim is None


def _spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"
