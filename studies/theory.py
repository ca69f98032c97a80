"""Compares the estimators with exact policy gradients on a tabular task: bias, variance, squared error."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.paths import user_path
from studies.tabular.report import Run, bias_seen, write
from studies.tabular.sampling import GROUP
from studies.tabular.unbiasedness import CONDITIONS, Finding, examine
from studies.tabular.variance import POINTS, Outcome, compare


def whole_groups(text: str) -> int:
    number = int(text)
    if number < 2 * GROUP or number % GROUP:
        raise argparse.ArgumentTypeError(f"{number} is not a multiple of {GROUP} from {2 * GROUP} on")
    return number


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="theory", description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", default="docs/results", help="folder for theory.md, .svg and .json")
    parser.add_argument(
        "--seed", type=int, default=0, help="of policies, episodes, wrong values and bootstrap"
    )
    parser.add_argument(
        "--episodes", type=whole_groups, default=2_000_000, help="for each mean (default %(default)s)"
    )
    parser.add_argument(
        "--variance-episodes", type=whole_groups, default=4_000, help="for each row of errors"
    )
    return parser.parse_args(arguments)


def study(chosen: argparse.Namespace, console: Console) -> tuple[list[Finding], list[Outcome]]:
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


def main(arguments: list[str] | None = None) -> int:
    chosen = options(arguments)
    console = Console(stderr=True)
    began = time.monotonic()
    findings, outcomes = study(chosen, console)
    given = shlex.join(sys.argv[1:] if arguments is None else arguments)
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
        print(f"bias where theory has none: {finding.condition}, {finding.level}")
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
