"""`bazel run //orchestrator:train`: plays and learns for as long as asked, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from configuration import command
from configuration.tree import Configuration
from core.errors import ConfigurationError
from environments.errors import BenchmarkError
from orchestrator import rollout
from orchestrator.preflight.dry_run import dry_run
from orchestrator.run import StopRequest
from run_folder import folder as run_folder

PROGRAM = "train"

TRAINING: dict[str, Any] = {"learner": {"updates": 100}}
"""In place of the tree's defaults where neither `--config` nor a run that goes on says otherwise."""


class Flags(rollout.Flags):
    """Options of this command alone."""

    hours: float | None = Field(None, gt=0)
    """Time after which the run ends with the update in flight; without it all updates are made."""


def read(argv: Sequence[str]) -> tuple[Configuration, Flags]:
    """The configuration, `run.dir` decided. A folder that holds a run means that this run goes on."""
    line = command.read(argv, PROGRAM, Flags, base=None if run_folder.names_file(argv) else TRAINING)
    configuration = line.configuration
    root = run_folder.choose(configuration)
    resume = run_folder.RunFolder(root).episodes.exists()
    if resume and not run_folder.names_file(argv):
        configuration = command.read(argv, PROGRAM, Flags, base=run_folder.saved_tree(root)).configuration
    placed = configuration.run.model_copy(update={"dir": root, "resume": resume})
    configuration = configuration.model_copy(update={"run": placed})
    run_folder.check(root, configuration)
    return configuration, line.flags


def train(argv: Sequence[str]) -> int:
    """The command; its exit code."""
    console = Console()
    try:
        configuration, flags = read(argv)
        if flags.dry_run:
            return dry_run(configuration, flags.gpu_memory, console)
        stop = StopRequest(None if flags.hours is None else 3600 * flags.hours)
        return rollout.play(configuration, console, resume_command, stop)
    except BenchmarkError as error:
        raise ConfigurationError(str(error)) from error


def resume_command(root: Path) -> str:
    return f"./bazelw run //orchestrator:train -- --run-dir {root}"


if __name__ == "__main__":
    command.main(train)
