"""`bazel run //environments:evaluate -- BENCHMARK --policy NAME`: evaluates a scripted player on a split."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from core.intervals import wilson
from environments import command
from environments.benchmark import ReferencedBenchmark
from environments.evaluation import Outcome, by_type, evaluate
from environments.registry import load

_WIDTH = 110
"""Columns of the table in a file or a pipe, so that nothing in it is cut."""


class Flags(Section):
    """Options of this command alone."""

    policy: str = "rule"
    """Player: expert, rule, random or adviser; WebShop also has decisive."""
    split: str = ""
    """Split; the benchmark's last unless given."""


SYNTAX = command.syntax(
    "evaluate",
    "Plays every task of a split once and prints the success by task type.",
    Flags,
    (command.BENCHMARK,),
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings, flags = line.configuration.environment, line.flags
    benchmark = load(settings)
    split = flags.split or benchmark.splits[-1]
    policy = benchmark.policy(flags.policy, settings.seed)
    tasks = benchmark.tasks(split)
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task(f"{benchmark.name} {split}", total=len(tasks))
        outcomes = evaluate(benchmark, policy, split, lambda: progress.advance(bar))
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    title = f"{benchmark.name}, {split}, player {flags.policy}, seed {settings.seed}"
    console.print(_table(title, outcomes))
    if isinstance(benchmark, ReferencedBenchmark):
        print("\n".join(benchmark.reference_lines(split)))
    return 0


def _table(title: str, outcomes: list[Outcome]) -> Table:
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("task type", no_wrap=True)
    for column in ("tasks", "won", "success [95 % Wilson]", "mean score", "mean steps"):
        table.add_column(column, justify="right", no_wrap=True)
    for task_type, group in (*by_type(outcomes).items(), ("all", outcomes)):
        won = sum(outcome.won for outcome in group)
        score = sum(outcome.score for outcome in group) / len(group)
        steps = sum(outcome.steps for outcome in group) / len(group)
        table.add_row(
            task_type, str(len(group)), str(won), str(wilson(won, len(group))), f"{score:.3f}", f"{steps:.1f}"
        )
    return table


if __name__ == "__main__":
    run(main)
