"""Compares the estimators with exact policy gradients on a tabular task: bias and variance."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from configuration.command import main as run_command
from configuration.command import parse
from configuration.section import Section
from configuration.syntax import NoSections, Syntax
from core.paths import user_path
from studies.tabular.report import Run, bias_seen, write
from studies.tabular.sampling import GROUP
from studies.tabular.unbiasedness import CONDITIONS, Finding, examine
from studies.tabular.variance import POINTS, Outcome, compare


class Flags(Section):
    """Options of this command."""

    out: Path = Path("docs/results")
    """Folder that theory.md, theory.svg and theory.json are written to."""
    seed: int = 0
    """Seed of the policies, the episodes, the wrong values and the bootstrap samples."""
    episodes: int = Field(2_000_000, ge=2 * GROUP, multiple_of=GROUP)
    """Number of episodes for each mean, a multiple of 8 (the size of a group)."""
    variance_episodes: int = Field(4_000, ge=2 * GROUP, multiple_of=GROUP)
    """Number of episodes for each row of errors, a multiple of 8."""


def study(chosen: Flags, console: Console) -> tuple[list[Finding], list[Outcome]]:
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        means = progress.add_task("episodes for means", total=len(CONDITIONS) * chosen.episodes)
        ratios = progress.add_task("points of errors", total=len(POINTS))
        for condition in CONDITIONS:
            findings += examine(condition, chosen.episodes, chosen.seed, lambda n: progress.advance(means, n))
        for point in POINTS:
            outcomes += compare(point, chosen.variance_episodes, chosen.seed)
            progress.advance(ratios)
    return findings, outcomes


def main(argv: Sequence[str]) -> int:
    chosen = parse(argv, Syntax("theory", NoSections, Flags, __doc__)).flags
    console = Console(stderr=True)
    began = time.monotonic()
    findings, outcomes = study(chosen, console)
    given = shlex.join(argv)
    threads = os.environ.get("OMP_NUM_THREADS")
    setting = f"OMP_NUM_THREADS={threads} " if threads else ""
    run = Run(
        command=f"{setting}bazel run //studies:theory{' -- ' if given else ''}{given}",
        seed=chosen.seed,
        episodes=chosen.episodes,
        variance_episodes=chosen.variance_episodes,
        seconds=time.monotonic() - began,
        findings=findings,
        outcomes=outcomes,
    )
    for path in write(run, user_path(chosen.out)):
        print(path)
    against = [f for f in findings if f.expected and bias_seen(f, len(findings))]
    for finding in against:
        print(f"bias where theory predicts none: {finding.condition}, {finding.level}")
    return 1 if against else 0


if __name__ == "__main__":
    run_command(main)
