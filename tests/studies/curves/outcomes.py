"""Made-up results of runs, which the tests of the study share."""

from __future__ import annotations

from studies.curves.methods import Cell
from studies.curves.study import Outcome, Score


def outcome(
    method: str, seed: int, *training: float, horizon: str = "short", won: int = 100, rate: float = 1e-3
) -> Outcome:
    explained = {"high": 0.5, "low": 0.75} if method in ("hae", "gae") else {}
    cell = Cell(horizon, method, rate, seed)
    return Outcome(cell, training, 16, 90.0, Score(won, 200, 8.25, 2.0), explained)
