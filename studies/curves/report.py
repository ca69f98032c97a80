"""Writes the study's page, plots and numbers."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

from core import cpu
from studies.curves.methods import METHODS
from studies.curves.pairs import pairs_table
from studies.curves.plots import plot
from studies.curves.statistics import MEASURES, Interval, paired
from studies.curves.study import Outcome, Score
from studies.curves.verdict import verdict
from studies.markdown import table

TEMPLATE = Path(__file__).with_name("report.md")
_REFERENCE = "gae"
"""Method that the others are compared with."""


@dataclass(frozen=True)
class Study:
    """The study's runs and results."""

    command: str
    date: str
    remark: str
    """Remark about the machine or the run; can be empty."""
    settings: str
    """How the learning rates were chosen."""
    runs: int
    """Number of runs that are reported once the study is complete."""
    configuration: dict[str, dict[str, object]]
    """Settings that matter, by horizon."""
    starts: dict[str, dict[bool, Score]]
    """Scores of the base models before training, by horizon, with and without a hierarchy."""
    outcomes: tuple[Outcome, ...]

    def of(self, horizon: str, method: str) -> list[Outcome]:
        """The results of a method at a horizon, by seed."""
        found = [o for o in self.outcomes if (o.cell.horizon, o.cell.method) == (horizon, method)]
        return sorted(found, key=lambda outcome: outcome.cell.seed)

    def methods(self, horizon: str) -> list[str]:
        """The methods that have results at this horizon."""
        return [method for method in METHODS if self.of(horizon, method)]


def write(study: Study, folder: Path, name: str) -> list[Path]:
    """Writes `{name}.md`, `{name}.json`, and a plot for each horizon, `{name}_{horizon}.svg`.

    `folder` is created if necessary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, numbers = (folder / f"{name}.{kind}" for kind in ("md", "json"))
    plots = {horizon: folder / f"{name}_{horizon}.svg" for horizon in study.starts if study.methods(horizon)}
    for horizon, path in plots.items():
        plot({method: study.of(horizon, method) for method in study.methods(horizon)}, horizon, path)
    page.write_text(_page(study, plots), encoding="utf-8")
    numbers.write_text(json.dumps(asdict(study), indent=1) + "\n", encoding="utf-8")
    return [page, numbers, *plots.values()]


def _page(study: Study, plots: dict[str, Path]) -> str:
    text = TEMPLATE.read_text(encoding="utf-8")
    results = {h: {m: study.of(h, m) for m in study.methods(h)} for h in plots}
    values = {
        "title": "hierarchical, flat, and none",
        "verdict": verdict(results, study.starts, study.runs),
        "horizons": " ".join(_horizon(horizon, study.configuration[horizon]) for horizon in study.starts),
        "settings": study.settings,
        "tables": "\n\n".join(_section(study, horizon, path) for horizon, path in plots.items()),
        "pairs": "\n".join(pairs_table(results)) or "No seed is finished with both methods of a pair yet.",
        "run": _run(study),
    }
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text


def _horizon(name: str, settings: dict[str, object]) -> str:
    types = settings["environment.generator.task_types"]
    kinds = f"{len(types)} kinds of tasks" if isinstance(types, tuple) and types else "all six kinds of tasks"
    return (
        f"{name.capitalize()}: {kinds}, at most {settings['environment.step_limit']} turns, "
        f"{settings['learner.updates']} updates of {settings['learner.episodes_per_update']} episodes."
    )


def _section(study: Study, horizon: str, path: Path) -> str:
    base = "; ".join(
        f"{'with' if hierarchy else 'without'} subgoals {score.success} of {score.games} held-out games, in "
        f"{score.turns:.1f} turns" + (f" with {score.switches:.1f} subgoals" if hierarchy else "")
        for hierarchy, score in study.starts[horizon].items()
    )
    return "\n".join(
        [
            f"## Horizon {horizon}",
            "",
            *([f"The base model wins, {base}.", ""] if base else []),
            f"![success by episodes]({path.name})",
            "",
            *_table(study, horizon),
        ]
    )


def _table(study: Study, horizon: str) -> list[str]:
    head = (
        *("method", "rate", "seeds", "over training, %", "after, %"),
        *("difference over training", "after", "explained", "min"),
    )
    reference = study.of(horizon, _REFERENCE)
    rows = (_row(method, study.of(horizon, method), reference) for method in study.methods(horizon))
    return table(head, rows)


def _row(method: str, outcomes: Sequence[Outcome], reference: Sequence[Outcome]) -> list[str]:
    own = method == _REFERENCE
    differences = [paired(outcomes, reference, measure) for _, measure in MEASURES]
    return [
        METHODS[method].title,
        f"{outcomes[0].cell.learning_rate:g}",
        str(len(outcomes)),
        *(str(Interval.of([measure(outcome) for outcome in outcomes])) for _, measure in MEASURES),
        *("" if own or difference is None else difference.signed for difference in differences),
        _shares(outcomes),
        f"{fmean(outcome.seconds for outcome in outcomes) / 60:.1f}",
    ]


def _shares(outcomes: Sequence[Outcome]) -> str:
    heads = [head for head in ("low", "high") if all(head in outcome.explained for outcome in outcomes)]
    return ", ".join(f"{fmean(outcome.explained[head] for outcome in outcomes):.2f}" for head in heads)


def _run(study: Study) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    lines = [
        f"`{study.command}`, {study.date}, on {cpu.name()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}.",
        *(
            f"Horizon {horizon}: " + ", ".join(f"`{key} = {value}`" for key, value in settings.items()) + "."
            for horizon, settings in study.configuration.items()
        ),
    ]
    return "\n\n".join([*lines, study.remark] if study.remark else lines)
