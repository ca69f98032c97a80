"""Curves over the updates, as SVG for an HTML page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from core.intervals import Mean, Proportion, mean_score, wilson
from core.role import Role
from orchestrator.report.data import EvaluationSummary
from run_folder import metric_names as names
from run_folder.metrics import Metrics

WINDOW = 5
"""Number of updates in the moving average."""
_COLUMNS = 3
_LEVELS = ("low", "high", "switch")
_COLOURS = ("#2563a8", "#c2571a", "#3d8b4f", "#8a4fa3", "#7a6a35", "#a33b4f")


@dataclass(frozen=True)
class Panel:
    """A small plot."""

    title: str
    curves: tuple[tuple[str, str], ...]
    """Label and metric of each curve."""
    percent: bool = False


EPISODE_PANELS = (
    Panel("score", (("", names.SCORE_MEAN),)),
    Panel("turns per episode", (("", names.EPISODE_LENGTH),)),
    Panel("subgoals per episode", (("", names.EPISODE_SWITCHES),)),
    Panel(
        "answers that could be parsed",
        (("plans", names.PLAN_VALID_SHARE), ("actions", names.ACTION_VALID_SHARE)),
        percent=True,
    ),
    Panel("tokens per answer", (("plan", names.PLAN_TOKENS), ("action", names.ACT_TOKENS))),
    Panel("age of episodes, in versions", (("mean", names.STALENESS_MEAN), ("max", names.STALENESS_MAX))),
)


def _both(title: str, measure: str, percent: bool = False) -> Panel:
    curves = tuple((role.value, names.actor(role, measure)) for role in Role)
    return Panel(title, curves, percent)


UPDATE_PANELS = (
    _both("policy loss", names.POLICY_LOSS),
    _both("entropy, nats per token", names.ENTROPY),
    _both("KL to the reference", names.KL_TO_REFERENCE),
    _both("KL of the update", names.KL_UPDATE),
    _both("KL, sampler to learner", names.KL_SAMPLER),
    _both("clipped ratios", names.CLIP_FRACTION, percent=True),
    _both("importance: tokens left out", names.IMPORTANCE_MASKED_SHARE, percent=True),
    _both("importance: truncated weights", names.IMPORTANCE_TRUNCATED_SHARE, percent=True),
    _both("gradient norm", names.GRADIENT_NORM),
    Panel("critic's loss", (("", names.critic(names.LOSS)),)),
    Panel(
        "variance that the critic explains",
        tuple((level, names.critic(names.explained_variance(level))) for level in _LEVELS),
        percent=True,
    ),
    Panel("value heads that explain too little", (("", names.critic(names.WEAK_HEADS)),)),
    Panel(
        "advantages, standard deviation",
        tuple((level, names.advantage_std(level)) for level in _LEVELS),
    ),
    Panel(
        "seconds per step",
        (("step", names.TIME_STEP), ("gather", names.TIME_GATHER), ("update", names.TIME_UPDATE)),
    ),
    Panel("tokens/s of the update", (("", names.UPDATE_TOKENS_PER_SECOND),)),
    Panel(
        "steps skipped as not finite",
        tuple((role.value, names.actor(role, names.SKIPPED_STEPS)) for role in Role),
    ),
)


_Estimate = Proportion | Mean
"""A measured share or mean with its confidence interval."""


def _value(one: _Estimate) -> float:
    return one.rate if isinstance(one, Proportion) else one.mean


def success_figure(lines: Sequence[Metrics], evaluations: Sequence[EvaluationSummary]) -> str:
    """Success rates: of each batch with its Wilson interval, their moving average, and of the evaluations."""
    played = [line for line in lines if names.SUCCESS_RATE in line]
    counts = _counts(played)
    wins = [round(line[names.SUCCESS_RATE] * count) for line, count in zip(played, counts, strict=True)]
    batches = [wilson(won, count) for won, count in zip(wins, counts, strict=True)]
    evaluated = [(one, one.success) for one in evaluations]
    return _progress_figure("success", played, batches, evaluated)


def score_figure(lines: Sequence[Metrics], evaluations: Sequence[EvaluationSummary]) -> str:
    """Like `success_figure`, with scores; an empty string if they are the same as the success rates."""
    played = [line for line in lines if names.SCORE_MEAN in line]
    if all(line[names.SCORE_MEAN] == line[names.SUCCESS_RATE] for line in played):
        return ""
    means = [line[names.SCORE_MEAN] for line in played]
    batches = [mean_score(mean, count) for mean, count in zip(means, _counts(played), strict=True)]
    evaluated = [(one, one.score) for one in evaluations]
    return _progress_figure("score", played, batches, evaluated)


def _counts(lines: Sequence[Metrics]) -> list[int]:
    """Number of episodes of each batch."""
    return [round(line.get(names.EPISODE_COUNT, 1)) for line in lines]


def _progress_figure(
    what: str,
    lines: Sequence[Metrics],
    batches: Sequence[_Estimate],
    evaluated: Sequence[tuple[EvaluationSummary, _Estimate]],
) -> str:
    """The results of each version's batch, and of the evaluations."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    _batches(axes, lines, batches)
    _evaluated(axes, [pair for pair in evaluated if pair[0].version >= 0])
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(what)
    axes.set_xlabel("adapter version that played")
    _finish(axes, percent=what == "success")
    return _svg(figure, what)


def _batches(axes: Axes, lines: Sequence[Metrics], batches: Sequence[_Estimate]) -> None:
    if not lines:
        return
    versions = [line[names.ADAPTER_VERSION] - 1 for line in lines]
    values = [_value(one) for one in batches]
    axes.fill_between(
        versions,
        [one.low for one in batches],
        [one.high for one in batches],
        color=_COLOURS[0],
        alpha=0.15,
        linewidth=0,
        label="95 % interval (Wilson)",
    )
    axes.plot(versions, values, "o", markersize=3, color=_COLOURS[0], label="a batch")
    label = f"mean of {WINDOW} updates"
    axes.plot(versions, moving_average(values, _counts(lines)), color=_COLOURS[0], linewidth=2, label=label)


def _evaluated(axes: Axes, evaluated: Sequence[tuple[EvaluationSummary, _Estimate]]) -> None:
    # Shifted a little sideways, so that the intervals of two splits do not hide each other.
    apart = 0.008 * max((one.version for one, _ in evaluated), default=0)
    for place, split in enumerate(sorted({one.split for one, _ in evaluated})):
        of_split = [pair for pair in evaluated if pair[0].split == split]
        values = [_value(found) for _, found in of_split]
        below = [_value(found) - found.low for _, found in of_split]
        above = [found.high - _value(found) for _, found in of_split]
        versions = [one.version + apart * place for one, _ in of_split]
        colour = _COLOURS[1 + place % (len(_COLOURS) - 1)]
        label = f"evaluation, {split}"
        axes.errorbar(
            versions, values, [below, above], fmt="D", markersize=4, capsize=3, color=colour, label=label
        )


def moving_average(values: Sequence[float], counts: Sequence[int]) -> list[float]:
    """Mean over the last `WINDOW` updates, in which every episode has the same weight.

    Args:
        values: Mean of each batch.
        counts: Number of episodes of each batch.
    """
    sums = [value * count for value, count in zip(values, counts, strict=True)]
    spans = [slice(max(0, end - WINDOW), end) for end in range(1, len(values) + 1)]
    return [sum(sums[span]) / sum(counts[span]) for span in spans]


def small_multiples(name: str, panels: Sequence[Panel], lines: Sequence[Metrics]) -> str:
    """A plot for each panel whose metrics exist; an empty string if there is none."""
    shown = [panel for panel in panels if any(metric in line for line in lines for _, metric in panel.curves)]
    if not shown:
        return ""
    rows = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(9, 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, panel in zip(grid, shown, strict=False):
        _panel(axes, panel, lines)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    return _svg(figure, name)


def _panel(axes: Axes, panel: Panel, lines: Sequence[Metrics]) -> None:
    shown: list[float] = []
    for (label, metric), colour in zip(panel.curves, _COLOURS, strict=False):
        points = [(line[names.ADAPTER_VERSION], line[metric]) for line in lines if metric in line]
        if points:
            versions, values = zip(*points, strict=True)
            marker = "o" if len(points) < 20 else ""
            axes.plot(
                versions, values, marker=marker, markersize=2.5, linewidth=1.2, color=colour, label=label
            )
            shown += values
    if len(set(shown)) == 1:
        axes.set_ylim(_limits_of_one(shown[0], panel.percent))
    axes.set_title(panel.title, fontsize=9, loc="left")
    _finish(axes, panel.percent)


def _limits_of_one(value: float, percent: bool) -> tuple[float, float]:
    """Limits of an axis with a single value: from 0, so that a share is not above 1, nor a count below 0."""
    other = 1.0 if value == 0 or (percent and 0 < value <= 1) else 2 * value
    margin = 0.05 * abs(other)
    return min(0.0, other) - margin, max(0.0, other) + margin


def _finish(axes: Axes, percent: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0) if percent else plain)
    if any(not label.startswith("_") and label for label in axes.get_legend_handles_labels()[1]):
        axes.legend(fontsize=7, frameon=False)


def _svg(figure: Figure, name: str) -> str:
    """The figure as SVG for embedding in HTML; `name` makes the ids of several figures on a page distinct."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
