"""`bazel run //orchestrator:report_run -- RUN_DIR`: writes a run's report, also while the run plays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from core.errors import ConfigurationError
from core.paths import user_path
from orchestrator import report as run_report


class Flags(Section):
    """Options of this command."""

    with_: Path | None = None
    """Folder of a second run, whose episodes are shown beside those of the first."""


SYNTAX = Syntax(
    "report_run",
    NoSections,
    Flags,
    "Writes the report of a run.",
    arguments=(Argument("RUN_DIR", "the folder of a run, into which the report is written"),),
)


def report_run(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = parse(argv, SYNTAX)
    root, other = user_path(line.arguments[0]), line.flags.with_
    if other is not None:
        _write(other, None)
    _write(root, other)
    return 0


def _write(root: Path, other: Path | None) -> None:
    """Writes the report of a run; what is missing in its folder is told on stderr."""
    try:
        data = run_report.read(root)
        print(f"report: {run_report.write(data, root, other)}")
    except OSError as error:
        raise ConfigurationError(f"cannot write the report into {root}: {error.strerror}") from error
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    main(report_run)
