"""`bazel run //environments:generate -- --out DIR --games N --seed S`: writes new ALFWorld games to files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from core.errors import ConfigurationError
from environments import command
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.generator.files import write


class Flags(Section):
    """Options of this command alone."""

    out: Path | None = None
    """Folder that is new or empty."""


SYNTAX = command.syntax(
    "generate",
    "Writes new ALFWorld games, laid out as alfworld-download lays out the release: "
    "DIR/<split>/<task>/<trial>/{game.tw-pddl, traj_data.json}. "
    "Stock TextWorld and this project load them (ALFWORLD_DATA=DIR).",
    Flags,
    short_names={
        "games": ("environment.generator.games",),
        "task_types": ("environment.generator.task_types",),
        "horizon": ("environment.generator.horizon",),
        "clutter": ("environment.generator.clutter",),
    },
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings, out = line.configuration.environment, line.flags.out
    if out is None:
        raise ConfigurationError("--out DIR says where to write the games")
    source = GeneratedSource(settings.generator, settings.seed)
    tasks = source.tasks()
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        write(source, out, progress.track(tasks, description="generating"))
    print(f"{len(tasks)} games written to {out}")
    return 0


if __name__ == "__main__":
    run(main)
