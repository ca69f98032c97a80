"""The result of a run: a table of its updates, the shares of the time, and commands for more detail."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core import shown
from orchestrator.clients.models import CallTime
from orchestrator.progress.tally import Tally
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics

_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("version", names.ADAPTER_VERSION, "{:.0f}"),
    ("episodes", names.EPISODE_COUNT, "{:.0f}"),
    ("success", names.SUCCESS_RATE, "{:.0%}"),
    ("turns", names.EPISODE_LENGTH, "{:.1f}"),
    ("subgoals", names.EPISODE_SWITCHES, "{:.1f}"),
    ("valid", names.ACTION_VALID_SHARE, "{:.0%}"),
    ("turn s", names.TURN_SECONDS, "{:.2f}"),
    ("update s", names.TIME_UPDATE, "{:.0f}"),
)
"""Heading, metric and format of each column."""

SMALL_MODEL = "The bundled model is small; so few updates show that everything works, not that it learns."


def updates_table(lines: Sequence[Metrics]) -> Table:
    """A row for each update, about the episodes that it trained on and the version that it made."""
    table = Table(title="updates")
    for heading, _, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(*(form.format(line[name]) if name in line else "" for _, name, form in _COLUMNS))
    return table


def environments_text(line: Metrics) -> str:
    """The success in each environment of an update, if it has several; else an empty string."""
    prefix = names.of_environment(names.SUCCESS_RATE, "")
    parts = [
        f"{name.removeprefix(prefix)} {line[name]:.0%}" for name in sorted(line) if name.startswith(prefix)
    ]
    return f"success by environment in the last update: {', '.join(parts)}" if parts else ""


def time_shares(tally: Tally, calls: Sequence[CallTime]) -> dict[str, float]:
    """Shares of the turns' time spent in each part, which add up to 1; empty if no turn was played."""
    whole = tally.turn_seconds
    if not whole:
        return {}
    in_calls = sum(time.elapsed - time.engine for time in calls)
    rest = whole - tally.engine_seconds - tally.environment_seconds - in_calls
    return {
        "generation": tally.engine_seconds / whole,
        "environment": tally.environment_seconds / whole,
        "RPC": in_calls / whole,
        "orchestrator": rest / whole,
    }


def rpc_cost(shares: dict[str, float]) -> float:
    """Share of the turns' time spent neither in the models nor in the environment."""
    return shares["RPC"] + shares["orchestrator"]


def show(
    console: Console,
    root: Path,
    lines: Sequence[Metrics],
    shares: dict[str, float],
    small: bool,
    go_on: str,
) -> None:
    """Prints the result of a finished run; `go_on` is the command that continues it."""
    console.print(updates_table(lines))
    console.print(
        "valid: actions that could be parsed; turn s: mean seconds per turn; update s: seconds of the update",
        style="dim",
    )
    if lines and (by_environment := environments_text(lines[-1])):
        console.print(by_environment, markup=False, highlight=False)
    if shares:
        parts = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
        console.print(f"time of a turn: {parts}", highlight=False)
        console.print(
            f"RPC cost, all of a turn except model and environment: {rpc_cost(shares):.2%}", highlight=False
        )
    if small:
        console.print(SMALL_MODEL, highlight=False)
    for text in (
        f"run folder:   {root}",
        f"adapters:     {RunFolder(root).adapters}",
        f"all episodes: {show_command(root)}",
        f"one of them:  {show_command(root)} 0",
        f"continue:     {go_on}",
    ):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_command(root: Path) -> str:
    return f"{shown.command('//orchestrator:show')} {shlex.quote(str(root))}"


def resume_command(root: Path) -> str:
    return f"{shown.command('//orchestrator:rollout')} --run-dir {shlex.quote(str(root))} --resume"
