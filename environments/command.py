"""What the commands of this folder share: options that choose a benchmark, and one way to end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from configuration.environment import EnvironmentSettings, GeneratorSettings
from core.paths import user_path
from environments.benchmark import Benchmark
from environments.errors import BenchmarkError
from environments.registry import LOADERS, load


class UsageError(BenchmarkError):
    """The command line asks for something that cannot be."""


def parser(description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=description, allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )


def add_benchmark(options: argparse.ArgumentParser) -> None:
    """The name of the benchmark, and the keys of the `environment` section under short and full names."""
    defaults, generator = EnvironmentSettings(), GeneratorSettings()
    options.add_argument("name", help=f"benchmark: {', '.join(LOADERS)}")

    def add(name: str, **details: object) -> None:
        options.add_argument(f"--{name}", f"--environment.{name}", **details)  # type: ignore[arg-type]

    add("data", type=user_path, default=None, help="where the benchmark's files are")
    add("source", choices=("auto", "real", "generated"), default=defaults.source)
    add("backend", choices=("native", "textworld"), default=defaults.backend, help="ALFWorld only")
    add("step_limit", type=int, default=defaults.step_limit, help="turns after which an episode is cut off")
    add("seed", type=int, default=defaults.seed, help="seed of generated tasks and of players that draw")
    add("compat", choices=("none", "hiper"), default=defaults.compat, help="WebShop only")
    add("generator.games", type=int, default=generator.games, help="generated games in each split")
    add("generator.horizon", choices=("short", "medium", "long"), default=generator.horizon)
    add("generator.clutter", type=float, default=generator.clutter)
    add("generator.products", type=int, default=generator.products)


def settings_of(arguments: argparse.Namespace) -> EnvironmentSettings:
    given = vars(arguments)
    generator = {
        name.removeprefix("generator."): value
        for name, value in given.items()
        if name.startswith("generator.")
    }
    names = ("name", "data", "source", "backend", "step_limit", "seed", "compat")
    try:
        return EnvironmentSettings(
            **{name: given[name] for name in names}, generator=GeneratorSettings(**generator)
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def chosen_benchmark(arguments: argparse.Namespace) -> Benchmark:
    return load(settings_of(arguments))


def existing_file(text: str) -> Path:
    """For `type=`: a path as the user means it, of a file that is there."""
    path = user_path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return path


def end(run: Callable[[], int]) -> NoReturn:
    """Ends the program with the code that `run` returns; 2 and one line for what the user got wrong."""
    try:
        code = run()
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
