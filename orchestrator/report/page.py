"""The report as a single HTML file without scripts or links to other files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from core.files import replace_file
from orchestrator.report import figures
from orchestrator.report.data import RunData
from orchestrator.report.episode import episode_html
from orchestrator.report.time_parts import Part, percentages, time_parts
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics

_STYLE = (Path(__file__).with_name("style.css")).read_text(encoding="utf-8")
_COLOURS = (
    "#7f8c99",
    "#2563a8",
    "#3d8b4f",
    "#c9a227",
    "#8a4fa3",
    "#5a3d6e",
    "#c2571a",
    "#d98a55",
    "#a33b4f",
    "#6b2737",
    "#4a7a8c",
    "#333333",
    "#9fb8d4",
)


def write(data: RunData, root: Path) -> Path:
    """Writes the page into the run's folder, atomically, and returns its path."""
    path = RunFolder(root).report
    replace_file(path, html(data))
    return path


def html(data: RunData) -> str:
    """The page."""
    parts = time_parts((*data.lines, *data.ends))
    sections = (
        _headline(data, parts),
        _section("Success", figures.success_figure(data.lines, data.evaluations) if data.lines else ""),
        _section("Score", figures.score_figure(data.lines, data.evaluations)),
        _section("Evaluations", _evaluations(data)),
        _section("Episodes", figures.small_multiples("episodes", figures.EPISODE_PANELS, data.lines)),
        _section("Environments", _environments(data)),
        _section("Episodes set aside", _set_aside(data)),
        _section("Where the time went", _time(parts)),
        _section("Updates", figures.small_multiples("updates", figures.UPDATE_PANELS, data.lines)),
        _section("Two episodes", _episodes(data)),
        _section("Configuration", _configuration(data)),
        _section("All metrics of the last update", _last_metrics(data)),
    )
    title = f"run {escape(data.folder.root.name)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><main><h1>{title}</h1>\n{''.join(sections)}</main></body></html>\n"
    )


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n{body}</section>\n" if body else ""


def _headline(data: RunData, parts: Sequence[Part]) -> str:
    tiles = [
        ("updates", str(len(data.lines))),
        ("episodes stored", f"{data.played:,}"),
        ("learner's time", _duration(sum(part.seconds for part in parts))),
    ]
    rates = [line[names.SUCCESS_RATE] for line in data.lines if names.SUCCESS_RATE in line]
    if rates:
        window = min(figures.WINDOW, len(rates))
        of = "update" if window == 1 else f"{window} updates"
        tiles.append((f"success, first {of}", f"{sum(rates[:window]) / window:.1%}"))
        tiles.append((f"success, last {of}", f"{sum(rates[-window:]) / window:.1%}"))
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in tiles)
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    none = "" if data.lines else "<p>There has been no update yet.</p>"
    return (
        f'<p class="dim">{escape(data.run_id)} · written {made}</p><div class="tiles">{shown}</div>{none}\n'
    )


def _evaluations(data: RunData) -> str:
    rows = [
        (
            one.split,
            one.label,
            str(one.episodes),
            str(one.success),
            str(one.score),
            f"{one.turns:.1f}",
            one.file,
        )
        for one in data.evaluations
    ]
    measured = ("success [95 % Wilson]", "score [95 %]", "turns")
    headings = ("split", "adapters", "episodes", *measured, f"{data.folder.evaluations.name}/")
    return table(headings, rows) if rows else ""


def _environments(data: RunData) -> str:
    """The results of each environment in each update, if the run has several."""
    prefix = names.of_environment(names.SUCCESS_RATE, "")
    found = sorted(
        {name.removeprefix(prefix) for line in data.lines for name in line if name.startswith(prefix)}
    )
    rows = [
        (f"{line[names.ADAPTER_VERSION]:.0f}", name, *cells)
        for line in data.lines
        for name in found
        if (cells := _cells(line, name))
    ]
    headings = ("version", "environment", "episodes", "success", "mean score", "mean turns", "valid actions")
    return _folded(f"{len(found)} environments", table(headings, rows)) if rows else ""


def _cells(line: Metrics, environment: str) -> tuple[str, ...]:
    forms = ("{:.0f}", "{:.1%}", "{:.3f}", "{:.1f}", "{:.1%}")
    found = [line.get(names.of_environment(metric, environment)) for metric in names.OF_ENVIRONMENT]
    return tuple(form.format(value) for form, value in zip(forms, found, strict=True) if value is not None)


def _set_aside(data: RunData) -> str:
    """The episodes that no update trains on, and why."""
    if not data.set_aside:
        return ""
    rows = [(str(number), reason) for number, reason in sorted(data.set_aside.items())]
    return _folded(f"{len(rows)} episodes", table(("episode", "reason"), rows))


def _time(parts: Sequence[Part]) -> str:
    """A bar of the parts of the time, and a table of them that adds up to the whole."""
    if not parts:
        return ""
    shares = percentages(parts)
    coloured = list(zip(parts, shares, itertools.cycle(_COLOURS)))
    bar = "".join(
        f'<span style="width:{share}%;background:{colour}" title="{escape(part.name)}: {share:.1f} %"></span>'
        for part, share, colour in coloured
    )
    rows = "".join(
        f'<tr><td><i style="background:{colour}"></i>{escape(part.name)}</td>'
        f"<td>{part.seconds:,.1f} s</td><td>{share:.1f} %</td></tr>"
        for part, share, colour in coloured
    )
    whole = sum(part.seconds for part in parts)
    return (
        f'<div class="bar">{bar}</div><table class="numbers">{rows}'
        f"<tr><th>all</th><th>{whole:,.1f} s</th><th>{sum(shares):.1f} %</th></tr></table>"
        '<p class="dim">Wall time of the learner\'s steps. The time spent gathering episodes is divided in '
        "proportion to the episodes' own times, which overlap; waiting for a place in a batch counts as "
        "generation.</p>"
    )


def _episodes(data: RunData) -> str:
    shown = [("won", data.won), ("not won", data.lost)]
    return "".join(
        _folded(f"{name}: episode {one.episode.number}, {one.episode.goal}", episode_html(one))
        for name, one in shown
        if one is not None
    )


def _configuration(data: RunData) -> str:
    return _folded(data.folder.configuration.name, f"<pre>{escape(data.configuration)}</pre>")


def _last_metrics(data: RunData) -> str:
    if not data.lines:
        return ""
    rows = [(name, f"{value:.6g}") for name, value in sorted(data.lines[-1].items())]
    return _folded(f"{len(rows)} metrics", table(("metric", "value"), rows))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>\n"


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>\n"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
