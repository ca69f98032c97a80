"""The page, the plot and the numbers of the experiment."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from studies.tabular.statistics import Ratio
from studies.tabular.unbiasedness import LEVELS, Finding
from studies.tabular.variance import BATCH, HIPER, SAME, Outcome

SIGNIFICANCE = 0.01
"""For all tests of a run together."""
TEMPLATE = Path(__file__).with_name("report.md")


@dataclass(frozen=True)
class Run:
    """What was run, and what came out."""

    command: str
    seed: int
    episodes: int
    """For each row of the first table."""
    variance_episodes: int
    """For each row of the others."""
    seconds: float
    findings: Sequence[Finding]
    outcomes: Sequence[Outcome]


def write(run: Run, folder: Path) -> list[Path]:
    """theory.md, theory.svg and theory.json in `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    page, plot, numbers = (folder / f"theory.{kind}" for kind in ("md", "svg", "json"))
    page.write_text(_page(run), encoding="utf-8")
    _plot(run.outcomes, plot)
    numbers.write_text(_numbers(run), encoding="utf-8")
    return [page, plot, numbers]


def _numbers(run: Run) -> str:
    """JSON with five digits and one row of a table a line."""
    content = json.loads(json.dumps(asdict(run)), parse_float=lambda text: float(f"{float(text):.5g}"))
    fields = []
    for name, value in content.items():
        rows = ",\n".join(json.dumps(row) for row in value) if isinstance(value, list) else None
        fields.append(f'"{name}": ' + (json.dumps(value) if rows is None else f"[\n{rows}\n]"))
    return "{\n" + ",\n".join(fields) + "\n}\n"


def bias_seen(finding: Finding, tests: int) -> bool:
    """Whether chance is ruled out, at `SIGNIFICANCE` for all `tests` of the run together (Bonferroni)."""
    return finding.comparison.p_value < SIGNIFICANCE / tests


def _page(run: Run) -> str:
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in {
        "unbiasedness": _findings(run.findings),
        "horizon": _outcomes(run.outcomes, "horizon", HIPER),
        "same": _outcomes(run.outcomes, "horizon", SAME),
        "segment": _outcomes(run.outcomes, "segment length", HIPER),
        "error": _outcomes(run.outcomes, "value error", HIPER, squared_error=True),
        "batch": str(BATCH),
        "run": _run(run),
    }.items():
        page = page.replace("{" + name + "}", text)
    return page


def _findings(findings: Sequence[Finding]) -> str:
    rows = ["| condition | " + " | ".join(LEVELS) + " |", "|---|" + "---|" * len(LEVELS)]
    for condition in dict.fromkeys(finding.condition for finding in findings):
        cells = [_cell(finding, len(findings)) for finding in findings if finding.condition == condition]
        rows.append(f"| {condition} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(finding: Finding, tests: int) -> str:
    result = finding.comparison
    seen = bias_seen(finding, tests)
    text = f"{result.slope:.3f} ± {result.slope_error:.3f}, {result.outside}/{result.parameters}"
    if seen:
        text = f"**{text}, bias {result.bias:.0%}**"
    if finding.expected == seen:
        text += " (theory: unbiased)" if finding.expected else " (theory: biased)"
    return text


def _selected(outcomes: Iterable[Outcome], study: str, lambdas: str) -> list[Outcome]:
    return [o for o in outcomes if o.point.study == study and o.hae_lambdas == lambdas]


def _varied(outcome: Outcome) -> float:
    point = outcome.point
    varied = {
        "horizon": point.horizon,
        "segment length": point.segment_length,
        "value error": point.value_error,
    }
    return varied[point.study]


def _outcomes(outcomes: Sequence[Outcome], study: str, lambdas: str, *, squared_error: bool = False) -> str:
    chosen = _selected(outcomes, study, lambdas)
    flats = list(dict.fromkeys((o.adapter, o.flat_lambda) for o in chosen))
    flats.sort(key=lambda flat: flat[0], reverse=True)
    head = [study, "success", "turns", *(f"{adapter}, flat λ {flat:g}" for adapter, flat in flats)]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for value in dict.fromkeys(_varied(o) for o in chosen):
        row = {(o.adapter, o.flat_lambda): o for o in chosen if _varied(o) == value}
        first = next(iter(row.values()))
        cells = [_ratio(row[flat].squared_error if squared_error else row[flat].variance) for flat in flats]
        cells = [f"{value:g}", f"{first.success_rate:.0%}", f"{first.mean_turns:.1f}", *cells]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _run(run: Run) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return (
        f"`{run.command}`, seed {run.seed}, {run.episodes:,} episodes for each row of the first table "
        f"and {run.variance_episodes:,} of the others; {run.seconds:.0f} s on {_processor()}, "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}."
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _plot(outcomes: Sequence[Outcome], path: Path) -> None:
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    labels = {
        "horizon": "horizon, turns",
        "segment length": "mean segment length, turns",
        "value error": "error of all values, standard deviations",
    }
    for axis, (study, label) in zip(axes, labels.items(), strict=True):
        for adapter, colour in (("planner", "tab:blue"), ("executor", "tab:orange")):
            for flat, line in ((1.0, "-"), (0.95, "--")):
                chosen = _selected(outcomes, study, HIPER)
                chosen = [o for o in chosen if (o.adapter, o.flat_lambda) == (adapter, flat)]
                results = [o.squared_error if study == "value error" else o.variance for o in chosen]
                x = [_varied(o) for o in chosen]
                name = f"{adapter}, flat λ = {flat:g}"
                axis.plot(x, [r.value for r in results], line, color=colour, marker=".", label=name)
                axis.fill_between(
                    x, [r.low for r in results], [r.high for r in results], color=colour, alpha=0.2
                )
        axis.axhline(1.0, color="black", linewidth=0.8)
        axis.set(xlabel=label, yscale="log", xscale="linear" if study == "value error" else "log")
        axis.set_title("squared error" if study == "value error" else "variance", fontsize=10)
    axes[0].set_ylabel("HAE / flat GAE")
    axes[0].legend(fontsize=7)
    with mpl.rc_context({"svg.hashsalt": "theory", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
