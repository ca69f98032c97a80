"""`bazel run //environments/alfworld:count_placements -- --data PATH`: counts `placements.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from core.paths import user_path
from environments import command
from environments.alfworld.compiler import load_game
from environments.alfworld.placements import Placements, count_placements
from environments.alfworld.sources import open_source
from environments.errors import DataNotFoundError
from environments.locations import shared_data_path

_SPLIT = "train"


class Flags(Section):
    """Options of this command alone."""

    out: Path = Path("environments/alfworld/placements.json")
    """File to write."""


SYNTAX = command.syntax(
    "count_placements",
    f"Counts where the objects lie when the games of the split {_SPLIT} start, and writes the shares by "
    "which the player `adviser` chooses the places to search. --data names ALFWorld's tree or archive; "
    "ALFWORLD_DATA if left out.",
    Flags,
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    out = user_path(line.flags.out)
    games, placements = count(line.configuration.environment.data)
    out.write_text(file_text(placements, games))
    print(f"{sum(map(len, placements.shares.values()))} shares of {games} games written to {out}")
    return 0


def count(data: Path | None) -> tuple[int, Placements]:
    """The number of games, and the shares counted in them."""
    path = shared_data_path(data, "ALFWORLD_DATA", "alfworld")
    if path is None:
        raise DataNotFoundError("no ALFWorld data: name it with --data or ALFWORLD_DATA")
    source = open_source(path)
    tasks = [task for task in source.tasks() if task.split == _SPLIT]
    if not tasks:
        raise DataNotFoundError(f"the ALFWorld data at {path} has no games of the split {_SPLIT}")
    games = (load_game(source.read(task.id), task.id) for task in tasks)
    return len(tasks), count_placements(games)


def file_text(placements: Placements, games: int) -> str:
    """Text of the shipped file: the origin of the numbers, then a line for each kind of object."""
    about = (
        f"Counted in the {games} games of ALFWorld's split {_SPLIT} (MIT License, Copyright (c) 2020 Mohit "
        "Shridhar and others) by bazel run //environments/alfworld:count_placements. For each kind of object "
        "and of place: the share of such places, in games with such an object, that hold one at the start."
    )
    lines = ",\n".join(f"  {json.dumps(kind)}: {json.dumps(row)}" for kind, row in placements.shares.items())
    return f'{{\n "about": {json.dumps(about)},\n "shares": {{\n{lines}\n }}\n}}\n'


if __name__ == "__main__":
    run(main)
