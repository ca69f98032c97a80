"""Writes generated games to files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from environments.alfworld.game_source import GAME_FILE
from environments.alfworld.generator.source import GeneratedSource
from environments.benchmark import Task
from environments.errors import OutputError


def write(source: GeneratedSource, out: Path, tasks: Iterable[Task]) -> None:
    """Writes the games of `tasks` into the folder `out`, in the layout of alfworld-download.

    Raises:
        OutputError: `out` is not an empty folder; nothing was written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not empty; nothing was written")
    for task in tasks:
        folder = out / task.id
        folder.mkdir(parents=True)
        (folder / GAME_FILE).write_bytes(source.read(task.id))
        (folder / "traj_data.json").write_bytes(source.traj_data(task.id))
