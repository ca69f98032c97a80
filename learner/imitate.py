"""`bazel run //learner:imitate`: makes the warm start, and with `--check` says what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from configuration.command import main, read
from configuration.section import Section
from core.errors import ConfigurationError
from core.freed_memory import keep_freed_memory
from core.progress import progress
from core.role import Role
from environments.registry import load
from learner.imitation.check import AnswerShares, check_answers
from learner.imitation.shipped import ship
from learner.imitation.teaching import WarmStart, WarmStartSettings, warm_start
from serving.model import resolve_model


class ImitateFlags(Section):
    """Options of this command."""

    out: Path | None = None
    """Folder that gets a copy of the pair in bfloat16, as the repository keeps one."""
    check: bool = False
    """Asks both adapters at the turns of demonstrations that they have not seen."""
    check_split: str = "valid_unseen"
    """Split of the benchmark that `--check` takes."""
    check_games: int = 12
    """Demonstrations that `--check` takes."""


def run(argv: Sequence[str]) -> int:
    line = read(argv, "imitate", ImitateFlags)
    c, flags = line.configuration, line.flags
    if not c.imitation.has_lessons:
        raise ConfigurationError("imitation.games = 0 needs imitation.episodes, or there are no lessons")
    console = Console()
    keep_freed_memory()
    settings = WarmStartSettings.of(c)
    benchmark = load(c.environment)
    model = resolve_model(c.learner.model)
    with progress(console, "warm start") as report:
        made = warm_start(settings, model, benchmark, c.run.seed, report)
    _show(console, made)
    if flags.out is not None:
        ship(made.adapters, flags.out)
        console.print(f"in bfloat16: {flags.out}", soft_wrap=True)
    if flags.check:
        shares = asyncio.run(
            check_answers(
                settings, model, benchmark, made.adapters, flags.check_split, flags.check_games, c.run.seed
            )
        )
        console.print(_table(shares, flags.check_split))
    return 0


def _show(console: Console, made: WarmStart) -> None:
    for role, losses in made.losses.items():
        taught = f"loss {losses[0]:.2f} to {losses[-1]:.2f} nats a token" if losses else "not taught"
        console.print(f"{role.value}: {taught}")
    console.print("found in the cache:" if made.cached else "made:")
    console.print(f"  {made.adapters.planner}\n  {made.adapters.executor}", soft_wrap=True)


def _table(shares: dict[Role, AnswerShares], split: str) -> Table:
    table = Table("role", "temperature", "answers", "parseable", "accepted", "as the expert", title=split)
    for role, share in shares.items():
        table.add_row(
            role.value,
            f"{share.temperature:g}",
            str(share.answers),
            f"{share.parseable:.0%}",
            f"{share.accepted:.0%}",
            f"{share.expert:.0%}",
        )
    return table


if __name__ == "__main__":
    main(run)
