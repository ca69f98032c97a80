"""The plot of a horizon: success by episodes, a line for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.curves.methods import METHODS
from studies.curves.statistics import Interval
from studies.curves.study import Outcome

_WINDOW = 3
"""Number of updates over which a line is averaged."""


def plot(outcomes: Mapping[str, Sequence[Outcome]], horizon: str, path: Path) -> None:
    """Writes the plot of a horizon's runs, which are given by method."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    for method, runs in outcomes.items():
        line(axis, method, runs)
    axis.set(xlabel="episodes", ylabel="success in training games", ylim=(0, 1))
    axis.set_title(f"horizon {horizon}", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="upper left")
    with mpl.rc_context({"svg.hashsalt": "nano", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def line(axis: Axes, method: str, runs: Sequence[Outcome]) -> None:
    """The mean of the seeds over the updates that all of them have, and its 95 % interval as a band."""
    smooth = [_smoothed(run.training) for run in runs]
    intervals = [Interval.of(values) for values in zip(*smooth, strict=False)]
    episodes = [runs[0].episodes_per_update * update for update in range(len(intervals))]
    colour = METHODS[method].colour
    axis.plot(episodes, [i.mean for i in intervals], color=colour, linewidth=2, label=METHODS[method].title)
    if len(runs) > 1:
        low, high = [i.low for i in intervals], [i.high for i in intervals]
        axis.fill_between(episodes, low, high, color=colour, alpha=0.08, linewidth=0)


def _smoothed(values: Sequence[float]) -> list[float]:
    return [fmean(values[max(0, place - _WINDOW + 1) : place + 1]) for place in range(len(values))]
