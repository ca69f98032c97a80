"""`bazel run //environments:differential -- --games 100`: compares our ALFWorld engine with TextWorld's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic import Field
from rich.console import Console
from rich.progress import Progress

from configuration.command import main as run
from configuration.command import parse
from configuration.environment import EnvironmentSettings
from configuration.section import Section
from environments import command
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.differential import compare, spread
from environments.alfworld.game_source import GameSource
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.sources import open_source
from environments.alfworld.stock import StockEngine
from environments.errors import DataNotFoundError
from environments.locations import shared_data_path


class Flags(Section):
    """Options of this command alone."""

    games: int = Field(12, ge=1)
    """Games that are compared, spread evenly over the task types."""
    steps: int = Field(25, ge=0)
    """Steps at most in a game, about 50 ms each."""


SYNTAX = command.syntax(
    "differential",
    "Plays the same games with random, junk and walkthrough actions on both engines. The last line is "
    "`N steps in G games, D differences`; the exit code is 0 only for D = 0. --seed draws games and actions.",
    Flags,
    switches={"generated": ("environment.source", "generated")},
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings, flags = line.configuration.environment, line.flags
    source = _source(settings, flags.games)
    benchmark = AlfworldBenchmark(source, task_types=settings.task_types)
    engine = StockEngine(source, benchmark.task)
    tasks = spread(benchmark, flags.games, settings.seed)
    answers = differences = 0
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        for task in progress.track(tasks, description="comparing"):
            stock = engine.start(task.id).playthrough
            for difference in compare(task.id, benchmark.game(task.id), stock, flags.steps, settings.seed):
                answers += 1
                if difference is not None:
                    differences += 1
                    print(difference)
    print(f"{answers - len(tasks)} steps in {len(tasks)} games, {differences} differences")
    return 0 if differences == 0 else 1


def _source(settings: EnvironmentSettings, games: int) -> GameSource:
    """The games found on disk, or generated ones, by default as many as are compared."""
    generated = settings.source == "generated"
    found = None if generated else shared_data_path(settings.data, "ALFWORLD_DATA", "alfworld")
    if found is not None:
        return open_source(found)
    if settings.source == "real":
        raise DataNotFoundError("no ALFWorld data: name it with --data or ALFWORLD_DATA")
    generator = settings.generator
    if "games" not in generator.model_fields_set:
        generator = generator.model_copy(update={"games": games})
    return GeneratedSource(generator, settings.seed)


if __name__ == "__main__":
    run(main)
