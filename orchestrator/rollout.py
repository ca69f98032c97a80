"""`bazel run //orchestrator:rollout`: starts the servers, plays, learns, and shows the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from configuration import command
from configuration.section import Section
from configuration.tree import Configuration
from core import tracing
from core.errors import HiperError
from core.exit_codes import Interrupted
from orchestrator.preflight.checks import check_inputs
from orchestrator.preflight.dry_run import dry_run
from orchestrator.preflight.pools import Machine, lacking
from orchestrator.progress import result
from orchestrator.progress.display import display_for
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from orchestrator.run import Run, StopRequest
from orchestrator.servers import ending
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics, MetricsFile
from run_folder.opening import hold, open_run

PROGRAM = "rollout"

_TRANSCRIPTS = {"prompt_format": "transcript", "history": 64}

FIRST_RUN: dict[str, Any] = {
    "environment": {
        "step_limit": 12,
        "generator": {"horizon": "short", "task_types": ["pick_and_place_simple", "look_at_obj_in_light"]},
    },
    "planner": _TRANSCRIPTS,
    "executor": _TRANSCRIPTS,
    "learner": {"updates": 2, "episodes_per_update": 6, "pack_tokens": 2048},
    # The shape of learner/warm_start/alfworld_transcript_wide.
    "lora": {"last_layers": 16, "rank": 16, "alpha": 32},
    # As in the presets for the bundled model.
    "estimator": {"estimator": "dgae"},
}
"""Defaults without `--config` and `--resume`: a run of some minutes on two cores."""


class Flags(Section):
    """Options of this command alone."""

    dry_run: bool = False
    """Whether to only check the configuration and print it with the memory that it needs; starts nothing."""
    gpu_memory: float = Field(80.0, gt=0)
    """Memory of one GPU in GiB, for the dry run."""


def rollout(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = open_run(argv, PROGRAM, Flags, FIRST_RUN, resumes=False)
    if line.flags.dry_run:
        return dry_run(line.configuration, line.flags.gpu_memory, Console())
    play(line.configuration, Console())
    return 0


def play(
    configuration: Configuration,
    console: Console,
    resume_command: Callable[[Path], str] = result.resume_command,
    stop: StopRequest | None = None,
) -> None:
    """Plays the run in its folder and prints its result.

    Args:
        configuration: Configuration with `run.dir` set.
        console: Console for progress and result.
        resume_command: Returns the command line that resumes the run in a folder, to print it.
        stop: Request that ends the run after the update in flight; the first Ctrl-C makes it. Without it, a
            signal ends the run at once.

    Raises:
        HiperError: the run cannot be played, or it failed; in that case a note says how to resume it.
        Interrupted: a signal ended the run; a note says how to resume it.
    """
    root = configuration.run.dir
    assert root is not None
    inputs = check_inputs(configuration)
    held = hold(root, configuration)
    tally = Tally()
    episodes = configuration.learner.updates * configuration.learner.episodes_per_update
    for line in (f"run folder: {root}", *lacking(configuration, Machine.this())):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    try:
        with display_for(console, tally, episodes) as display:
            run = Run(configuration, inputs, held.folder, Report(tally, display), stop or StopRequest())
            with tracing.traced(configuration.run.trace, "orchestrator"):
                ending.run(run.play(), on_first=stop.ask if stop else lambda: False)
    except (HiperError, Interrupted) as error:
        if isinstance(error, Interrupted) and tally.stopping:
            _write_report(root, updates(root, tally), console)
        error.add_note(f"To resume the run: {resume_command(root)}")
        raise
    finally:
        held.release()
    result.show(
        console,
        root,
        updates(root, tally),
        result.time_shares(tally, run.call_times),
        small=configuration.planner.model == "bundled",
        go_on=_go_on(resume_command(root), len(updates(root, tally)), configuration.learner.updates),
    )
    _write_report(root, updates(root, tally), console)


def _go_on(command_line: str, made: int, wanted: int) -> str:
    """The command line to continue: as it is if updates are left, otherwise with two more updates."""
    return command_line if made < wanted else f"{command_line} --learner.updates {made + 2}"


def _write_report(root: Path, lines: Sequence[Metrics], console: Console) -> None:
    # Imported here, because matplotlib takes a second to import, and a run should start without that delay.
    from orchestrator import report as run_report

    try:
        path = run_report.write(run_report.read(root, lines), root)
    except (HiperError, OSError) as error:
        print(f"no report: {error}", file=sys.stderr)
        return
    console.print(f"report:       {path}", markup=False, highlight=False, soft_wrap=True)


def updates(root: Path, tally: Tally) -> list[Metrics]:
    """The metrics of all updates: from the folder, or as reported by a learner on another machine."""
    lines = MetricsFile(RunFolder(root).metrics).lines()
    return lines or [tally.metrics[version] for version in sorted(tally.metrics)]


if __name__ == "__main__":
    command.main(rollout)
