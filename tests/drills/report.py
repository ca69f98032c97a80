"""The table of all drills as Markdown, with what is needed to run them again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from core import cpu
from tests.drills.drill import COLUMNS, Row

_GIB = 2**30


def write(path: Path, rows: Sequence[Row], command: str, seed: int, seconds: float) -> None:
    """Writes the table to `path`.

    Args:
        path: Markdown file; its folder is made.
        rows: Results in the order of the table.
        command: Command line that was given.
        seed: Seed of every random choice.
        seconds: Duration of all drills together.
    """
    lines = [
        "# Drills",
        "",
        "Faults that were injected into real parts, and what was left of them; "
        "[Reliability](../reliability.md) says what is done about each kind.",
        "",
        f"    {command}",
        "",
        f"Seed {seed}, {seconds / 60:.0f} minutes on {machine()}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(_cell(cell) for cell in row.cells)} |" for row in rows),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> str:
    """Model and cores of the CPU, and the memory of this machine."""
    memory = psutil.virtual_memory().total / _GIB
    return f"{cpu.name()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory"


def _cell(text: str) -> str:
    """A cell may hold whatever a server answered."""
    return " ".join(text.replace("|", "\\|").split())
