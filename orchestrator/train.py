"""`bazel run //orchestrator:train`: plays and learns, for hours or days; repeated, it resumes the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from configuration import command
from core import shown
from orchestrator import rollout
from orchestrator.preflight.dry_run import dry_run
from orchestrator.run import StopRequest
from run_folder.opening import open_run

PROGRAM = "train"

TRAINING: dict[str, Any] = {"learner": {"updates": 100}}
"""Defaults for a new run without `--config`."""


class Flags(rollout.Flags):
    """Options of this command alone."""

    hours: float | None = Field(None, gt=0)
    """Hours after which the run ends with the update in flight; if not given, all updates are made."""


def train(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = open_run(argv, PROGRAM, Flags, TRAINING, resumes=True)
    if line.flags.dry_run:
        return dry_run(line.configuration, line.flags.gpu_memory, Console())
    stop = StopRequest(None if line.flags.hours is None else 3600 * line.flags.hours)
    rollout.play(line.configuration, Console(), resume_command, stop)
    return 0


def resume_command(root: Path) -> str:
    """The command line that resumes the run in a folder."""
    return f"{shown.command('//orchestrator:train')} --run-dir {root}"


if __name__ == "__main__":
    command.main(train)
