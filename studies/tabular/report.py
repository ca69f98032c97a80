"""Writes the page, the plot and the numbers of the experiment."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from core import cpu
from studies.markdown import table
from studies.tabular.unbiasedness import LEVELS, Finding
from studies.tabular.variance import ADAPTERS, BATCH, CONTENDERS, Outcome

SIGNIFICANCE = 0.01
"""Significance level of all tests of a run together."""
TEMPLATE = Path(__file__).with_name("report.md")


@dataclass(frozen=True)
class Run:
    """A run of the experiment, and its results."""

    command: str
    seed: int
    episodes: int
    """Number of episodes for each row of the first table."""
    variance_episodes: int
    """Number of episodes for each row of the other tables."""
    seconds: float
    findings: Sequence[Finding]
    outcomes: Sequence[Outcome]


def write(run: Run, folder: Path) -> list[Path]:
    """Writes theory.md, theory.svg and theory.json into `folder`, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    page, plot, numbers = (folder / f"theory.{kind}" for kind in ("md", "svg", "json"))
    page.write_text(_page(run), encoding="utf-8")
    _plot(run.outcomes, plot)
    numbers.write_text(_numbers(run), encoding="utf-8")
    return [page, plot, numbers]


def _numbers(run: Run) -> str:
    """The results as JSON, with five digits per number, and one table row per line."""
    content = json.loads(json.dumps(asdict(run)), parse_float=lambda text: float(f"{float(text):.5g}"))
    fields = []
    for name, value in content.items():
        rows = ",\n".join(json.dumps(row) for row in value) if isinstance(value, list) else None
        fields.append(f'"{name}": ' + (json.dumps(value) if rows is None else f"[\n{rows}\n]"))
    return "{\n" + ",\n".join(fields) + "\n}\n"


def bias_seen(finding: Finding, tests: int) -> bool:
    """Whether the bias is significant, at `SIGNIFICANCE` for all `tests` of the run together (Bonferroni)."""
    return finding.comparison.p_value < SIGNIFICANCE / tests


def _page(run: Run) -> str:
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in {
        "unbiasedness": _findings(run.findings),
        "horizon": _outcomes(run.outcomes, "horizon"),
        "segment": _outcomes(run.outcomes, "segment length"),
        "error": _outcomes(run.outcomes, "value error"),
        "variance": _outcomes(run.outcomes, "value error", variance=True),
        "lambda": _outcomes(run.outcomes, "lambda"),
        "batch": str(BATCH),
        "run": _run(run),
    }.items():
        page = page.replace("{" + name + "}", text)
    return page


def _findings(findings: Sequence[Finding]) -> str:
    rows = []
    for condition in dict.fromkeys(finding.condition for finding in findings):
        row = {finding.level: finding for finding in findings if finding.condition == condition}
        cells = (_cell(row[level], len(findings)) if level in row else "-" for level in LEVELS)
        rows.append([condition, *cells])
    return "\n".join(table(("condition", *LEVELS), rows))


def _cell(finding: Finding, tests: int) -> str:
    result = finding.comparison
    seen = bias_seen(finding, tests)
    text = f"{result.slope:.3f} ± {result.slope_error:.3f}, {result.outside}/{result.parameters}"
    if seen:
        text = f"**{text}, bias {result.bias:.0%}**"
    if finding.expected == seen:
        text += " (theory: unbiased)" if finding.expected else " (theory: biased)"
    return text


COLUMNS = {
    "horizon": ("horizon",),
    "segment length": ("segment_length",),
    "value error": ("horizon", "value_error"),
    "lambda": ("value_error",),
}
"""Fields of the points that each study varies."""


def _outcomes(outcomes: Sequence[Outcome], study: str, *, variance: bool = False) -> str:
    """A table with a row per point and a column per estimator; its cells are planner / executor."""
    chosen = [outcome for outcome in outcomes if outcome.point.study == study]
    names = list(dict.fromkeys(outcome.contender for outcome in chosen))
    head = [*(name.replace("_", " ") for name in COLUMNS[study]), "success", "turns", *names]
    rows = []
    for point in dict.fromkeys(outcome.point for outcome in chosen):
        row = {(o.contender, o.adapter): o for o in chosen if o.point == point}
        first = next(iter(row.values()))
        cells = [f"{getattr(point, name):g}" for name in COLUMNS[study]]
        cells += [f"{first.success_rate:.0%}", f"{first.mean_turns:.1f}"]
        cells += [" / ".join(_number(row[name, adapter], variance) for adapter in ADAPTERS) for name in names]
        rows.append(cells)
    return "\n".join(table(head, rows))


def _number(outcome: Outcome, variance: bool) -> str:
    result = outcome.variance if variance else outcome.squared_error
    text = f"{result.value:.2f}" if result.value < 10 else f"{result.value:.1f}"
    return f"**{text}**" if outcome.best and not variance else text


def _run(run: Run) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return (
        f"`{run.command}`, seed {run.seed}, {run.episodes:,} episodes for each row of the first table "
        f"and {run.variance_episodes:,} of the others; {run.seconds:.0f} s on {cpu.name()}, "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}."
    )


def _plot(outcomes: Sequence[Outcome], path: Path) -> None:
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row")
    longest = max(o.point.horizon for o in outcomes if o.point.study == "value error")
    panels = (
        ("horizon", "horizon", "horizon, turns"),
        ("segment length", "segment_length", "mean segment length, turns"),
        ("value error", "value_error", f"error of all values, deviations (horizon {longest})"),
    )
    for row, adapter in zip(axes, ADAPTERS, strict=True):
        for axis, (study, varied, label) in zip(row, panels, strict=True):
            chosen = [o for o in outcomes if (o.point.study, o.adapter) == (study, adapter)]
            chosen = [o for o in chosen if study != "value error" or o.point.horizon == longest]
            for contender in CONTENDERS:
                line = [o for o in chosen if o.contender == contender.name]
                x = [getattr(o.point, varied) for o in line]
                results = [o.squared_error for o in line]
                axis.plot(x, [r.value for r in results], marker=".", label=contender.name)
                axis.fill_between(x, [r.low for r in results], [r.high for r in results], alpha=0.2)
            axis.set(xlabel=label, yscale="log", xscale="linear" if study == "value error" else "log")
        row[0].set_ylabel(f"squared error, {adapter}")
    axes[0][0].legend(fontsize=7)
    with mpl.rc_context({"svg.hashsalt": "theory", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
