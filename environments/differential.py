"""`bazel run //environments:differential -- --games 100`: compares our ALFWorld engine with TextWorld's."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from configuration.environment import GeneratorSettings
from core.paths import user_path
from environments import command
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.differential import compare, spread
from environments.alfworld.game_source import GameSource
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.sources import open_source
from environments.alfworld.stock import StockEngine
from environments.locations import shared_data_path


def main() -> int:
    options = command.parser(
        "Plays the same games with random, junk and walkthrough actions on both engines. The last line is "
        "`N steps in G games, D differences`; the exit code is 0 only for D = 0."
    )
    options.add_argument("--games", type=int, default=12, help="spread evenly over the task types")
    options.add_argument("--steps", type=int, default=25, help="at most so many in a game, about 50 ms each")
    options.add_argument("--seed", type=int, default=0, help="draws games and actions")
    options.add_argument("--data", type=user_path, default=None, help="real games; else where they are found")
    options.add_argument(
        "--generated", action="store_true", help="generated games, also where real ones are found"
    )
    arguments = options.parse_args()
    source = _source(arguments.data, arguments.generated, arguments.games, arguments.seed)
    benchmark = AlfworldBenchmark(source)
    engine = StockEngine(source, benchmark.task)
    tasks = spread(benchmark, arguments.games, arguments.seed)
    answers = differences = 0
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        for task in progress.track(tasks, description="comparing"):
            stock = engine.start(task.id).playthrough
            for difference in compare(
                task.id, benchmark.game(task.id), stock, arguments.steps, arguments.seed
            ):
                answers += 1
                if difference is not None:
                    differences += 1
                    print(difference)
    print(f"{answers - len(tasks)} steps in {len(tasks)} games, {differences} differences")
    return 0 if differences == 0 else 1


def _source(data: Path | None, generated: bool, games: int, seed: int) -> GameSource:
    found = None if generated else shared_data_path(data, "ALFWORLD_DATA", "alfworld")
    return open_source(found) if found is not None else GeneratedSource(GeneratorSettings(games=games), seed)


if __name__ == "__main__":
    command.end(main)
