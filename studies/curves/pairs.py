"""The table of differences between two methods at each horizon and over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from studies.curves.methods import METHODS
from studies.curves.statistics import MEASURES, Interval, Measure, differences
from studies.curves.study import ByHorizon
from studies.markdown import table

PAIRS = (
    ("hae", "gae"),
    ("hae_boundary", "hae"),
    ("dgae", "hae"),
    ("dgae", "gae"),
    ("dgae", "grpo"),
    ("dgae", "gigpo"),
    ("dgae", "no_hierarchy"),
)
"""Methods that are compared: the first less the second."""


def pairs_table(results: ByHorizon) -> list[str]:
    """Lines of a table with a row for each pair and measure that have results; none if no pair has."""
    rows = [
        (f"{METHODS[first].title} less {METHODS[second].title}", name, *cells)
        for first, second in PAIRS
        for name, measure in MEASURES
        if any(cells := _cells(results, first, second, measure))
    ]
    if not rows:
        return []
    return table(("difference, points", "", *results, "all"), rows)


def _cells(results: ByHorizon, first: str, second: str, measure: Measure) -> list[str]:
    found = [
        differences(methods.get(first, ()), methods.get(second, ()), measure) for methods in results.values()
    ]
    return [_shown(each) for each in (*found, [one for each in found for one in each])]


def _shown(found: Sequence[float]) -> str:
    return Interval.of(found).signed if found else ""
