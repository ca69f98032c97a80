"""Writes the study's page, plot and numbers."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student

from studies.curves.study import Outcome, Score

TEMPLATE = Path(__file__).with_name("report.md")
COLOURS = {"hae": "tab:blue", "gae": "tab:orange", "grpo": "tab:green"}
NAMES = {"hae": "HAE", "gae": "flat GAE", "grpo": "GRPO"}
_WINDOW = 3
"""Number of updates over which the thick line is averaged."""


@dataclass(frozen=True)
class Study:
    """The study's runs and results."""

    command: str
    date: str
    remark: str
    """Remark about the machine or the run; can be empty."""
    configuration: dict[str, dict[str, object]]
    """Settings that matter, by horizon."""
    starts: dict[str, Score]
    """Score of the base model before training, by horizon."""
    outcomes: tuple[Outcome, ...]


def write(study: Study, folder: Path, name: str = "nano") -> list[Path]:
    """Writes `{name}.md`, `{name}.svg` and `{name}.json` into `folder`, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    page, plot, numbers = (folder / f"{name}.{kind}" for kind in ("md", "svg", "json"))
    page.write_text(_page(study, plot.name), encoding="utf-8")
    _plot(study, plot)
    numbers.write_text(json.dumps(asdict(study), indent=1) + "\n", encoding="utf-8")
    return [page, plot, numbers]


def _page(study: Study, plot: str) -> str:
    text = TEMPLATE.read_text(encoding="utf-8")
    tables = "\n\n".join(_table(study, horizon) for horizon in study.starts)
    values = {"tables": tables, "run": _run(study), "plot": plot}
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _of(study: Study, horizon: str, estimator: str | None = None) -> list[Outcome]:
    return [
        outcome
        for outcome in study.outcomes
        if outcome.cell.horizon == horizon and estimator in (None, outcome.cell.estimator)
    ]


def _estimators(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(outcome.cell.estimator for outcome in outcomes))


def _table(study: Study, horizon: str) -> str:
    start = study.starts[horizon]
    head = "| estimator | seed | episodes | success in training | success after | turns | subgoals | min |"
    rows = [
        f"### Horizon {horizon}",
        "",
        f"The base model wins {start.success} of {start.games} held-out games, in {start.turns:.1f} turns "
        f"with {start.switches:.1f} subgoals on average.",
        "",
        head,
        "|" + "---|" * (head.count("|") - 1),
    ]
    for estimator in _estimators(_of(study, horizon)):
        chosen = _of(study, horizon, estimator)
        rows += [_row(outcome) for outcome in chosen]
        if len(chosen) > 1:
            rows.append(_mean_row(estimator, chosen))
    return "\n".join(rows)


def _row(outcome: Outcome) -> str:
    cells = (
        NAMES[outcome.cell.estimator],
        str(outcome.cell.seed),
        str(len(outcome.training) * outcome.episodes_per_update),
        f"{100 * fmean(outcome.training):.1f} %",
        str(outcome.end.success),
        f"{outcome.end.turns:.1f}",
        f"{outcome.end.switches:.1f}",
        f"{outcome.seconds / 60:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def _mean_row(estimator: str, outcomes: Sequence[Outcome]) -> str:
    training = mean_interval([100 * fmean(outcome.training) for outcome in outcomes])
    end = mean_interval([100 * outcome.end.success.rate for outcome in outcomes])
    name = f"**{NAMES[estimator]}, {len(outcomes)} seeds**"
    return f"| {name} | | | **{training} %** | **{end} %** | | | |"


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> str:
    """Mean ± half the width of Student's confidence interval of the mean."""
    half = student.ppf((1 + confidence) / 2, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.1f} ± {half:.1f}"


def _run(study: Study) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    lines = [
        f"`{study.command}`, {study.date}, on {_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}.",
        *(
            f"Horizon {horizon}: " + ", ".join(f"`{key} = {value}`" for key, value in settings.items()) + "."
            for horizon, settings in study.configuration.items()
        ),
    ]
    return "\n\n".join([*lines, study.remark] if study.remark else lines)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _plot(study: Study, path: Path) -> None:
    horizons = list(study.starts)
    figure = Figure(figsize=(5.2 * len(horizons), 3.6), layout="constrained")
    axes = figure.subplots(1, len(horizons), squeeze=False, sharey=True)[0]
    for axis, horizon in zip(axes, horizons, strict=True):
        outcomes = _of(study, horizon)
        for estimator in _estimators(outcomes):
            _lines(axis, estimator, _of(study, horizon, estimator))
        axis.set(xlabel="episodes", ylim=(0, 1))
        axis.set_title(f"horizon {horizon}", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("success in training games")
    axes[0].legend(fontsize=8, loc="lower right")
    with mpl.rc_context({"svg.hashsalt": "nano", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _lines(axis: Axes, estimator: str, outcomes: Sequence[Outcome]) -> None:
    """A thin line for each seed, and a thick one for their mean."""
    colour = COLOURS[estimator]
    for outcome in outcomes:
        axis.plot(_episodes(outcome), outcome.training, color=colour, linewidth=0.6, alpha=0.5)
    shortest = min(outcomes, key=lambda outcome: len(outcome.training))
    means = [fmean(values) for values in zip(*(outcome.training for outcome in outcomes), strict=False)]
    smooth = [fmean(means[max(0, i - _WINDOW + 1) : i + 1]) for i in range(len(means))]
    axis.plot(_episodes(shortest), smooth, color=colour, linewidth=2, label=NAMES[estimator])


def _episodes(outcome: Outcome) -> list[int]:
    return [outcome.episodes_per_update * update for update in range(len(outcome.training))]
