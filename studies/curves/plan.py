"""Which runs the study has, and their order: first those that choose settings, then the reported ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

from studies.curves.methods import Cell
from studies.curves.study import Outcome

Lookup = Callable[[Cell], Outcome | None]
"""Function that returns the outcome of a cell; None if it is not finished."""


@dataclass(frozen=True)
class Plan:
    """The runs of the study."""

    horizons: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    """Seeds of the runs that are reported."""
    rates: tuple[float, ...]
    """Learning rates, of which each method gets the better one at each horizon."""
    choosing_seeds: tuple[int, ...]
    """Seeds of the runs that choose the learning rate; not reported."""

    def choosing(self, horizon: str, method: str) -> list[Cell]:
        """The runs that choose a method's learning rate; none if there is nothing to choose."""
        if len(self.rates) == 1:
            return []
        return [Cell(horizon, method, rate, seed) for seed in self.choosing_seeds for rate in self.rates]

    def chosen(self, horizon: str, method: str, lookup: Lookup) -> float | None:
        """The learning rate with the highest mean success over training; None while runs are missing."""
        if len(self.rates) == 1:
            return self.rates[0]
        outcomes = [lookup(cell) for cell in self.choosing(horizon, method)]
        areas: dict[float, list[float]] = {}
        for outcome in outcomes:
            if outcome is None:
                return None
            areas.setdefault(outcome.cell.learning_rate, []).append(outcome.area)
        return max(areas, key=lambda rate: fmean(areas[rate]))

    def reported(self, lookup: Lookup) -> Iterator[Cell]:
        """The reported runs whose learning rate is chosen; all methods of a seed, then the next seed."""
        rates = {
            (horizon, method): self.chosen(horizon, method, lookup)
            for horizon in self.horizons
            for method in self.methods
        }
        for seed in self.seeds:
            for (horizon, method), rate in rates.items():
                if rate is not None:
                    yield Cell(horizon, method, rate, seed)

    def unfinished(self, lookup: Lookup) -> list[Cell]:
        """Runs that can be played now, in the order of playing: those that choose come first."""
        choosing = [
            cell
            for horizon in self.horizons
            for method in self.methods
            for cell in self.choosing(horizon, method)
        ]
        return [cell for cell in (*choosing, *self.reported(lookup)) if lookup(cell) is None]

    def reports(self, cell: Cell) -> bool:
        """Whether the cell is one whose result is reported."""
        return cell.seed in self.seeds

    @property
    def size(self) -> int:
        """Number of runs."""
        pairs = len(self.horizons) * len(self.methods)
        choosing = len(self.choosing_seeds) * len(self.rates) if len(self.rates) > 1 else 0
        return pairs * (len(self.seeds) + choosing)
