"""`bazel run //orchestrator:report_run -- RUN_DIR`: writes the report of a run, also while it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from configuration import command
from core.errors import ConfigurationError, HiperError
from core.paths import user_path
from orchestrator import report as run_report

USAGE = "usage: report_run RUN_DIR; RUN_DIR is the folder of a run, into which the report is written"


def report_run(argv: Sequence[str]) -> int:
    """The command; its exit code."""
    if "--help" in argv or "-h" in argv:
        print(USAGE)
        return 0
    if len(argv) != 1 or argv[0].startswith("-"):
        raise ConfigurationError(USAGE)
    root = user_path(argv[0])
    try:
        print(f"report: {run_report.write(run_report.read(root), root)}")
    except HiperError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"cannot write the report into {root}: {error.strerror}") from error
    return 0


if __name__ == "__main__":
    command.main(report_run)
