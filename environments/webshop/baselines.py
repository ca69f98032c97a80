"""`bazel run //environments/webshop:baselines`: measures the ceiling and the scripted baselines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from configuration.command import main as run
from configuration.command import parse
from configuration.syntax import NoFlags
from core.intervals import mean_score, wilson
from environments import command
from environments.benchmark import Task
from environments.errors import UnknownEnvironmentError
from environments.locations import shared_data_path
from environments.webshop.benchmark import WebShop, load
from environments.webshop.files import DATA_VARIABLE
from environments.webshop.outcomes import Scores, ceiling, play

REFERENCE = {"ceiling": "success 93.4 %", "rule": "0.788, 52.5 %", "random": "0.118, 0.2 %"}
"""Measured with the reference: small setting, all 6,910 goals of seed 233; the step limit of the random
player was not recorded."""
_WIDTH = 110


SYNTAX = command.syntax(
    "baselines",
    "Measures the ceiling and the scripted baselines over all goals of a shop. --seed (233) is that of the "
    "goals and of the random player, which --step_limit (15) bounds; --compat is hiper unless given.",
    NoFlags,
)
DEFAULTS = {"environment": {"name": "webshop", "seed": 233, "compat": "hiper", "step_limit": 15}}
"""Defaults of this command, which differ from those of the section."""


def main(argv: Sequence[str]) -> int:
    settings = parse(argv, SYNTAX, DEFAULTS).configuration.environment
    if settings.name != "webshop":
        raise UnknownEnvironmentError(settings.name, ["webshop"])
    if settings.source != "generated":
        found = shared_data_path(settings.data, DATA_VARIABLE, "webshop")
        settings = settings.model_copy(update={"data": found})
    shop = load(settings)
    tasks = [task for split in ("train", "valid") for task in shop.tasks(split)]
    table = _table(f"{len(shop.catalogue.products):,} products, {len(tasks):,} goals, seed {settings.seed}")
    table.add_row("ceiling", *_cells(ceiling(tasks, shop.book)), REFERENCE["ceiling"])
    for name in ("rule", "random"):
        table.add_row(name, *_cells(_played(name, shop, tasks, settings.seed)), REFERENCE[name])
    (Console() if sys.stdout.isatty() else Console(width=_WIDTH)).print(table)
    return 0


def _played(name: str, shop: WebShop, tasks: Sequence[Task], seed: int) -> Scores:
    progress = Console(file=sys.stderr)
    return play(
        shop.environment(),
        track(tasks, name, console=progress, transient=True),
        shop.policy(name, seed),
    )


def _table(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE)
    for column in ("", "score [95 %]", "success [95 % Wilson]", "reference, seed 233"):
        table.add_column(column, no_wrap=True)
    return table


def _cells(scores: Scores) -> tuple[str, str]:
    """Mean score and success rate, each with its interval."""
    count = len(scores.each)
    return str(mean_score(scores.mean, count)), str(wilson(scores.successes, count))


if __name__ == "__main__":
    run(main)
