"""Compares our environments with the original engines: steps, resets and memory.

`bazel run //benchmarks:environments -- [--games 6] [--steps 20] [--environments 1000] [--data PATH]`
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import Field
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from configuration.command import main as run
from configuration.command import parse
from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.section import Section
from environments import command, registry
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.compiler import load_game
from environments.alfworld.differential import draw_action, spread
from environments.alfworld.episode import Episode
from environments.alfworld.game_source import GameSource
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.sources import open_source
from environments.benchmark import Benchmark, TextEnvironment
from environments.locations import shared_data_path

REPEATS = 30
"""Number of times that our engine plays what TextWorld plays once."""

RECORDED_WEBSHOP = (22.0, 25.0)
"""Steps per second of the original WebShop (Pyserini, Java), measured elsewhere, as it cannot run here."""

Play = tuple[str, list[str]]
"""A task id, and the actions to take in it."""


@dataclass(frozen=True)
class Pace:
    """CPU seconds of a reset and of a step."""

    reset: float
    step: float


class Flags(Section):
    """Options of this command alone."""

    games: int = Field(6, ge=1)
    """ALFWorld games that both engines play."""
    steps: int = Field(20, ge=1)
    """Actions in a game at most."""
    environments: int = Field(1000, ge=1)
    """Environments whose memory in one process is measured."""


SYNTAX = command.syntax(
    "environments",
    f"{__doc__.splitlines()[0]} --data names ALFWorld games; else they are taken where they are found.",
    Flags,
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings, flags = line.configuration.environment, line.flags
    console = Console() if sys.stdout.isatty() else Console(width=110)
    found = shared_data_path(settings.data, "ALFWORLD_DATA", "alfworld")
    source = alfworld_source(found, flags.environments)
    console.print(
        f"ALFWorld: {'games in ' + str(found) if found else 'generated games'}, seed {settings.seed}"
    )
    plays = alfworld_plays(AlfworldBenchmark(source), flags.games, flags.steps, settings.seed)
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task("the stock engine plays", total=len(plays))
        stock = pace(AlfworldBenchmark(source, 10**6, "textworld"), plays, 1, lambda: progress.advance(bar))
    ours = pace(AlfworldBenchmark(source, 10**6), plays, REPEATS)
    console.print(
        alfworld_table(ours, load_seconds(source, plays), stock, sum(len(said) for _, said in plays))
    )
    console.print(memory_table(found, flags.environments))
    console.print(webshop_table())
    return 0


def alfworld_source(data: Path | None, games: int) -> GameSource:
    return open_source(data) if data else GeneratedSource(GeneratorSettings(games=games, horizon="long"), 0)


def alfworld_plays(benchmark: AlfworldBenchmark, games: int, steps: int, seed: int) -> list[Play]:
    """Games with random, malformed and walkthrough actions, up to the win."""
    plays = []
    for task in spread(benchmark, games, seed):
        rng, game = random.Random(f"{seed} {task.id}"), benchmark.game(task.id)
        episode, walkthrough = Episode(game), iter(game.walkthrough)
        said: list[str] = []
        while len(said) < steps and not episode.won:
            said.append(draw_action(rng, game, episode, walkthrough))
            episode.act(said[-1])
        plays.append((task.id, said))
    return plays


def pace(
    benchmark: Benchmark, plays: list[Play], repeats: int, done: Callable[[], object] = lambda: None
) -> Pace:
    """Times plays through the common interface; if `repeats` > 1, games are loaded beforehand."""
    environment = benchmark.environment()
    if repeats > 1:
        for task_id, _ in plays:
            environment.reset(options={"task": task_id})
    resets = steps = 0.0
    for task_id, said in plays * repeats:
        started = time.process_time()
        environment.reset(options={"task": task_id})
        reset = time.process_time()
        for action in said:
            environment.step(action)
        resets, steps = resets + reset - started, steps + time.process_time() - reset
        done()
    environment.close()
    return Pace(resets / len(plays) / repeats, steps / sum(len(said) for _, said in plays) / repeats)


def load_seconds(source: GameSource, plays: list[Play]) -> float:
    """CPU seconds for turning the bytes of a game file into a compiled game."""
    files = [source.read(task_id) for task_id, _ in plays]
    started = time.process_time()
    for content in files * REPEATS:
        load_game(content, "game")
    return (time.process_time() - started) / len(files) / REPEATS


def alfworld_table(ours: Pace, load: float, stock: Pace, steps: int) -> Table:
    table = Table(
        title=f"ALFWorld, CPU time, {steps} steps of the stock engine, ours {REPEATS} times the same"
    )
    for column in ("", "ours", "stock TextWorld", "stock / ours"):
        table.add_column(column, justify="right" if column else "left")
    first = load + ours.reset

    def row(name: str, own: float, theirs: float) -> None:
        table.add_row(name, f"{1e6 * own:,.1f} µs", f"{1e3 * theirs:,.1f} ms", f"{theirs / own:,.0f}")

    row("step", ours.step, stock.step)
    row("load and reset", first, stock.reset)
    row("reset of a game loaded before", ours.reset, stock.reset)
    table.add_row("steps a second", f"{1 / ours.step:,.0f}", f"{1 / stock.step:,.1f}", "")
    table.add_row("load of a game", f"{1e3 * load:.2f} ms", "", "")
    return table


def memory_table(data: Path | None, count: int) -> Table:
    """Resident memory of a fresh process, before and after making and resetting the environments."""
    table = Table(title="ALFWorld, memory of a process, each environment on its own game")
    for column in ("", "environments", "grown by", "in all", "each"):
        table.add_column(column, justify="right" if column else "left")
    for backend, number in (("native", count), ("textworld", 3)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            grown, total = pool.apply(resident_bytes, (data, backend, number))
        each = f"{grown / number / 1e6:,.2f} MB"
        name = "ours" if backend == "native" else "stock TextWorld"
        table.add_row(name, str(number), f"{grown / 1e6:,.0f} MB", f"{total / 1e6:,.0f} MB", each)
    return table


def resident_bytes(data: Path | None, backend: str, count: int) -> tuple[int, int]:
    """Growth due to the environments, and the total of the process with the index of the games."""
    source = alfworld_source(data, count)
    benchmark = AlfworldBenchmark(source, backend=backend)  # type: ignore[arg-type]
    tasks = spread(benchmark, count, seed=0)
    before = psutil.Process().memory_info().rss
    kept = []
    for task in tasks:
        environment = benchmark.environment()
        environment.reset(options={"task": task.id})
        environment.step("look")
        kept.append(environment)
    after = psutil.Process().memory_info().rss
    return after - before, after


def webshop_table() -> Table:
    data = shared_data_path(None, "WEBSHOP_DATA", "webshop")
    settings = EnvironmentSettings(
        name="webshop", data=data, compat="hiper" if data else "none", step_limit=10**6
    )
    asked, played = registry.load(settings), registry.load(settings)
    environment = played.environment()
    environment.reset(seed=0)
    environment.step("search[anything]")  # the index of the catalogue is made at the first search
    low, high = RECORDED_WEBSHOP
    table = Table(title=f"WebShop, {'real' if data else 'synthetic'} catalogue, CPU time, no search twice")
    for column in (
        "player",
        "steps",
        "ours, resets included",
        "reference, recorded elsewhere",
        "ours / recorded",
    ):
        table.add_column(column, justify="left" if column == "player" else "right")
    for player in ("rule", "random"):
        plays = list(webshop_plays(asked, player))
        steps = sum(len(said) for _, said in plays)
        rate = steps / say_all(environment, plays)
        ratio = f"{rate / high:,.0f} to {rate / low:,.0f}"
        table.add_row(player, f"{steps:,}", f"{rate:,.0f} steps/s", f"{low:g} to {high:g} steps/s", ratio)
    return table


def webshop_plays(benchmark: Benchmark, name: str) -> Iterator[Play]:
    """A player's actions in the first 15 steps of 400 tasks."""
    environment, player = benchmark.environment(), benchmark.policy(name, seed=0)
    for task in benchmark.tasks(benchmark.splits[-1])[:400]:
        observation, info = environment.reset(options={"task": task.id})
        player.begin(observation, info)
        said: list[str] = []
        over = False
        while not over and len(said) < 15:
            said.append(player.act(observation, info).action)
            observation, _, over, _, info = environment.step(said[-1])
        yield task.id, said


def say_all(environment: TextEnvironment, plays: list[Play]) -> float:
    """CPU seconds for taking all of the actions."""
    started = time.process_time()
    for task_id, said in plays:
        environment.reset(options={"task": task_id})
        for action in said:
            environment.step(action)
    return time.process_time() - started


if __name__ == "__main__":
    run(main)
