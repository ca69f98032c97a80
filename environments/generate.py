"""`bazel run //environments:generate -- --out DIR --games N --seed S`: writes new ALFWorld games to files."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from configuration.environment import GeneratorSettings
from core.paths import user_path
from environments import command
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.generator.files import write


def main() -> int:
    options = command.parser(
        "Writes new ALFWorld games, laid out as alfworld-download lays out the release: "
        "DIR/<split>/<task>/<trial>/{game.tw-pddl, traj_data.json}. "
        "Stock TextWorld and this project load them (ALFWORLD_DATA=DIR)."
    )
    defaults = GeneratorSettings()
    options.add_argument("--out", type=user_path, required=True, help="a folder that is new or empty")
    options.add_argument("--games", type=int, default=defaults.games, help="games in each split")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--task-types", nargs="+", default=(), metavar="TYPE", help="all six where left out")
    options.add_argument("--horizon", choices=("short", "medium", "long"), default=defaults.horizon)
    options.add_argument("--clutter", type=float, default=defaults.clutter, help="from 0 to 1")
    arguments = options.parse_args()
    source = GeneratedSource(_settings(arguments), arguments.seed)
    tasks = source.tasks()
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        write(source, arguments.out, progress.track(tasks, description="generating"))
    print(f"{len(tasks)} games written to {arguments.out}")
    return 0


def _settings(arguments: argparse.Namespace) -> GeneratorSettings:
    names = ("games", "horizon", "clutter", "task_types")
    try:
        return GeneratorSettings(**{name: vars(arguments)[name] for name in names})
    except ValidationError as error:
        problem = error.errors()[0]
        raise command.UsageError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


if __name__ == "__main__":
    command.end(main)
