"""`bazel run //orchestrator:report_run -- RUN_DIR`: writes a run's report, also while the run plays."""

from __future__ import annotations

from collections.abc import Sequence

from configuration.command import main, parse
from configuration.syntax import Argument, NoFlags, NoSections, Syntax
from core.errors import ConfigurationError
from core.paths import user_path
from orchestrator import report as run_report

SYNTAX = Syntax(
    "report_run",
    NoSections,
    NoFlags,
    "Writes the report of a run.",
    arguments=(Argument("RUN_DIR", "the folder of a run, into which the report is written"),),
)


def report_run(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    root = user_path(parse(argv, SYNTAX).arguments[0])
    try:
        print(f"report: {run_report.write(run_report.read(root), root)}")
    except OSError as error:
        raise ConfigurationError(f"cannot write the report into {root}: {error.strerror}") from error
    return 0


if __name__ == "__main__":
    main(report_run)
