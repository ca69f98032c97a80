"""`bazel run //orchestrator:evaluate -- --checkpoint RUN_DIR`: evaluates adapters, with intervals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from configuration import command
from core import tracing
from core.exit_codes import Interrupted
from environments.benchmark import ReferencedBenchmark
from orchestrator.evaluation.display import comparison_table, outcome_table, subgoal_table
from orchestrator.evaluation.files import FORMAT, EpisodeLog, identity, write_json
from orchestrator.evaluation.games import Games, Outcome, outcomes, recurring_subgoals
from orchestrator.evaluation.request import Request, read
from orchestrator.evaluation.run import EvaluationRun, Job
from orchestrator.servers import ending
from run_folder import opening
from run_folder.adapters import AdapterChoice

_WIDTH = 140
"""Width of the tables, in columns, if the output is a file or a pipe: enough to cut off nothing."""


def evaluate(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    play(read(argv), console)
    return 0


def play(request: Request, console: Console) -> None:
    """Plays all jobs on one pair of servers; prints a table and writes a file for each.

    Raises:
        HiperError: a server failed, or refused the adapters. Finished episodes are kept.
        Interrupted: a signal ended the evaluation. Finished episodes are kept.
    """
    logs = [_log(request, job) for job in request.jobs]
    held = opening.hold_unchecked(request.folder, request.configuration)
    rows: list[tuple[str, str, Outcome]] = []

    def finished(job: Job, games: Games, seconds: float) -> None:
        rows.append((job.adapters.label, job.split, _conclude(console, request, job, games, seconds)))

    run = EvaluationRun(
        request.configuration, request.benchmark, held.folder, console, finished, request.take_over
    )
    try:
        with tracing.traced(request.configuration.run.trace, "orchestrator"):
            ending.run(run.play(list(zip(request.jobs, logs, strict=True))))
    except Interrupted as interruption:
        interruption.add_note("The same command plays the remaining episodes")
        raise
    finally:
        held.release()
        if len(rows) > 1:
            console.print(comparison_table(rows))


def _log(request: Request, job: Job) -> EpisodeLog:
    path = job.out.with_suffix(".episodes.jsonl")
    return EpisodeLog(path, identity(request.configuration, job.adapters, job.split))


def _conclude(console: Console, request: Request, job: Job, games: Games, seconds: float) -> Outcome:
    """Writes the file of a finished job, and prints its tables."""
    benchmark, results = request.benchmark, outcomes(games.played)
    subgoals = recurring_subgoals(games.played)
    lines = benchmark.reference_lines(job.split) if isinstance(benchmark, ReferencedBenchmark) else ()
    write_json(
        job.out,
        {
            **_played(request, job),
            "seconds": seconds,
            "episodes_played_now": games.left,
            "set_aside": [asdict(one) for one in games.broken],
            "results": {name: asdict(outcome) for name, outcome in results.items()},
            "subgoals": [{"text": text, "count": count} for text, count in subgoals],
            "reference": lines,
            "configuration": request.configuration.model_dump(mode="json"),
            "episodes": [asdict(one) for one in games.played],
        },
    )
    console.print(outcome_table(f"{benchmark.name}, {job.split}, {job.adapters.label}", results))
    console.print(subgoal_table(subgoals))
    broken = [f"set aside and not counted: {len(games.broken)} episodes"] if games.broken else []
    for text in (*broken, *lines, f"everything: {job.out}"):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return results["all"]


def _played(request: Request, job: Job) -> dict[str, Any]:
    """The entries of the file that say what was played."""
    return {
        "format": FORMAT,
        "benchmark": request.benchmark.name,
        "split": job.split,
        "adapters": _described(job.adapters),
        "samples": job.samples,
        "games": len(job.tasks),
        "games_in_split": len(request.benchmark.tasks(job.split)),
        "seed": request.configuration.run.seed,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _described(choice: AdapterChoice) -> dict[str, Any]:
    return {
        "label": choice.label,
        "version": choice.version,
        "folders": {role: str(folder) for role, folder in choice.folders.items()},
        "sha256": choice.hashes,
    }


if __name__ == "__main__":
    command.main(evaluate)
