"""`bazel run //environments:doctor`: which benchmark data is found where, and how to get what is missing."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from configuration.command import main as run
from configuration.command import parse
from configuration.syntax import NoFlags
from environments import command
from environments.alfworld.sources import open_source
from environments.errors import BenchmarkError
from environments.locations import shared_data_path
from environments.webshop.files import PUBLISHED, find_files

RELEASED = {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
"""Number of games of each split that alfworld-download fetches and alfworld plays."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    what: str
    fine: bool
    lines: tuple[str, ...]
    """Lines to print: where it was found, or how to get it."""


SYNTAX = command.syntax(
    "doctor",
    "Says which data is where, how complete it is, and how to get what is missing. --data PATH looks there "
    "for the data of the benchmark that --name names.",
    NoFlags,
)


def main(argv: Sequence[str]) -> int:
    settings = parse(argv, SYNTAX).configuration.environment
    console = Console(highlight=False, soft_wrap=True)
    given = {settings.name: settings.data}
    findings = (*alfworld_data(given.get("alfworld")), alfworld_package(), webshop_data(given.get("webshop")))
    for finding in findings:
        mark = "[green]found[/green]  " if finding.fine else "[yellow]missing[/yellow]"
        console.print(f"{mark}  [bold]{finding.what}[/bold]")
        for line in finding.lines:
            console.print(f"           {line}", markup=False)
    return 0


def alfworld_data(data: Path | None = None) -> tuple[Finding, ...]:
    what = "ALFWorld games"
    get = (
        "to get them:  pip install alfworld && alfworld-download --data-dir ~/alfworld",
        "then:         export ALFWORLD_DATA=~/alfworld",
        "without them: generated games are played; there is nothing to do",
    )
    path = shared_data_path(data, "ALFWORLD_DATA", "alfworld")
    if path is None:
        return (Finding(what, False, ("not in ALFWORLD_DATA, HIPER_DATA or ../shared", *get)),)
    try:
        counts = Counter(task.split for task in open_source(path).tasks())
    except BenchmarkError as error:
        return (Finding(what, False, (str(error), *get)),)
    lines = [f"in {path}{_where_from(data, 'ALFWORLD_DATA')}"]
    lines += [f"{split}: {count} games{_expected(split, count)}" for split, count in sorted(counts.items())]
    short = [split for split, count in RELEASED.items() if counts[split] < count]
    return (Finding(what, not short, (*lines, *(get if short else ()))),)


def _expected(split: str, count: int) -> str:
    released = RELEASED.get(split)
    return "" if released is None else f" of {released}"


def _where_from(data: Path | None, variable: str) -> str:
    known = data is not None or os.environ.get(variable)
    return "" if known else f" (used by the conformance command; set {variable} to train on it)"


def alfworld_package() -> Finding:
    missing = [
        name for name in ("alfworld", "textworld", "fast_downward") if importlib.util.find_spec(name) is None
    ]
    if "alfworld" in missing:
        lines = ("needed to generate games and for --backend textworld:  pip install alfworld",)
    elif missing:
        lines = (
            f"generated games work; --backend textworld lacks {', '.join(missing)}:  pip install alfworld",
        )
    else:
        lines = ("generated games and --backend textworld work",)
    return Finding("alfworld package", not missing, lines)


def webshop_data(data: Path | None = None) -> Finding:
    what = "WebShop catalogue"
    path = shared_data_path(data, "WEBSHOP_DATA", "webshop")
    if path is None:
        return Finding(what, False, ("not in WEBSHOP_DATA, HIPER_DATA or ../shared", *_webshop_downloads()))
    try:
        files = find_files(path)
    except BenchmarkError as error:
        return Finding(what, False, (str(error), *_webshop_downloads()))
    found = [
        each for each in (files.products, files.annotations, files.human, files.nouns) if each is not None
    ]
    lines = [f"the {files.setting} setting in {files.folder}{_where_from(data, 'WEBSHOP_DATA')}"]
    lines += [f"{file.relative_to(files.folder)}: {_size(file)}" for file in found]
    lines += [f"missing: {line}" for line in files.missing]
    return Finding(what, not files.missing, tuple(lines))


def _webshop_downloads() -> tuple[str, ...]:
    """A line for every published file: the command that fetches it, its size and hash."""
    lines = ["without it: a synthetic catalogue is used; there is nothing to do. To get it:"]
    for setting, files in PUBLISHED.items():
        lines.append(f"{setting} setting:")
        lines += [
            f"  {file.command}  # {file.purpose}, {file.size:,} bytes, sha256 {file.sha256}" for file in files
        ]
    return tuple(lines)


def _size(file: Path) -> str:
    return f"{file.stat().st_size:,} bytes"


if __name__ == "__main__":
    run(main)
