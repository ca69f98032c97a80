"""`bazel run //orchestrator:export -- RUN_DIR --to parquet`: writes a run's turns, or its adapters."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field
from rich.console import Console

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from core.errors import ConfigurationError
from core.exit_codes import FAILED
from core.paths import user_path
from core.progress import progress
from orchestrator.exporting import turns
from orchestrator.exporting.destination import check_free
from run_folder.folder import RunFolder


class Flags(Section):
    """Options of this command alone."""

    to: Literal["", "jsonl", "parquet", "hf", "hub"] = ""
    """Format: `jsonl`, `parquet`, or `hf` (a folder for datasets.load_dataset) for the turns; `hub` for the
    adapters, as folders that can be uploaded to the Hub."""
    out: Path | None = None
    """New or empty folder to write to; by default `export/<format>` in the run's folder."""
    version: int | None = Field(None, ge=0)
    """Version of the adapters; by default the newest."""


SYNTAX = Syntax(
    "export",
    NoSections,
    Flags,
    "Writes the turns of a run, or its adapters, for use elsewhere.",
    arguments=(Argument("RUN_DIR", "the folder of a run"),),
)


def export(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = parse(argv, SYNTAX)
    root, flags = user_path(line.arguments[0]), line.flags
    if not flags.to:
        raise ConfigurationError("--to is needed: jsonl, parquet, hf or hub. --help explains them")
    if flags.version is not None and flags.to != "hub":
        raise ConfigurationError("--version chooses the adapters of --to hub; turns are of all versions")
    out = user_path(flags.out) if flags.out else RunFolder(root).exports / flags.to
    check_free(out)
    if flags.to == "hub":
        # Imported here: it takes seconds, also in each process that encodes turns.
        from orchestrator.exporting import hub

        for folder in hub.write(root, flags.version, out):
            _say(f"adapter: {folder}")
        return 0
    return _turns(root, flags.to, out, argv)


def _turns(root: Path, format: turns.Format, out: Path, argv: Sequence[str]) -> int:
    write = turns.writer(format, shlex.join(argv))
    with progress(Console(stderr=True), "export") as report:
        written = turns.export(root, write, out, report)
    for number, reason in written.damaged.items():
        _say(f"left out episode {number}: {reason}")
    _say(f"{written.turns} turns of {written.episodes} episodes: {out}")
    return FAILED if written.damaged else 0


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(export)
