"""`bazel run //studies:nano_curves -- --out DIR`: compares estimators by training the nano model."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

from pydantic import Field
from rich.console import Console

from configuration.command import main, read
from configuration.files import read_toml
from configuration.keys import value_of
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.paths import user_path
from core.progress import progress
from studies.curves.report import NAMES, Study, write
from studies.curves.study import Cell, Outcome, Place, base_score, conclude, configured, finished, train
from studies.nano.base import BaseSettings, nano_base
from studies.nano.settings import NanoSettings

PRESETS = Path(__file__).parent.parent / "presets"
HORIZONS = {"tiny": "nano.toml", "short": "nano_short.toml"}
"""Preset of each horizon."""
SHOWN = (
    "environment.step_limit",
    "environment.generator.task_types",
    "environment.generator.horizon",
    "environment.generator.clutter",
    "learner.updates",
    "learner.episodes_per_update",
    "lora.rank",
    "ppo.learning_rate",
    "ppo.minibatches",
    "critic.memory",
    "critic.heads",
    "estimator.lambda_turn",
    "estimator.lambda_segment",
    "estimator.keep_penalty.mode",
)
"""Keys whose values the page shows."""


class CurvesFlags(Section):
    """Options of this command; keys of the configuration apply to all runs."""

    out: Path | None = None
    """Folder of models and runs; finished runs in it are kept, and interrupted ones are resumed."""
    results: Path | None = None
    """Folder that page, plot and numbers are written to; the folder of `out` if not given."""
    name: str = Field("nano", pattern=r"[a-z0-9_]+")
    """Name of these three files."""
    horizons: tuple[str, ...] = ("tiny",)
    """Horizons to play, of `tiny` and `short`, with commas between them."""
    estimators: tuple[str, ...] = ("hae", "gae", "grpo")
    """Estimators to compare, of `hae`, `gae` and `grpo`, with commas between them."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds, with commas between them; each estimator has a run for each seed."""
    held_out: int = Field(200, ge=1)
    """Number of held-out games, in rooms of their own, that are played before and after training."""
    compared: int = Field(8, ge=2)
    """Number of episodes of one task that GRPO compares."""
    remark: str = ""
    """Remark for readers of the page, such as what else the machine was doing."""


@dataclass(frozen=True)
class Horizon:
    """A horizon: the configuration of its preset, and the folder of its base model."""

    name: str
    configuration: Configuration
    model: Path


def run(argv: Sequence[str]) -> int:
    flags = _checked(read(argv, "nano_curves", CurvesFlags).flags)
    console = Console()
    study = _study(argv, flags, console)
    for path in write(study, user_path(str(flags.results or flags.out)), flags.name):
        console.print(str(path), soft_wrap=True)
    return 0


def _checked(flags: CurvesFlags) -> CurvesFlags:
    if flags.out is None:
        raise ConfigurationError("--out DIR says where models and runs are kept")
    for option, given, accepted in (
        ("horizons", flags.horizons, HORIZONS),
        ("estimators", flags.estimators, NAMES),
    ):
        if unknown := sorted(set(given) - set(accepted)):
            raise ConfigurationError(f"--{option} {','.join(unknown)}: accepted are {', '.join(accepted)}")
    return flags


def _study(argv: Sequence[str], flags: CurvesFlags, console: Console) -> Study:
    root = user_path(str(flags.out))
    horizons = [_horizon(argv, name, root, console) for name in flags.horizons]
    starts = {
        horizon.name: base_score(root / f"{horizon.name}-base.json", _base_run(horizon), flags.held_out)
        for horizon in horizons
    }
    # All estimators of a seed come before the next seed, so that finished runs can be compared early.
    cells = list(product(horizons, flags.seeds, flags.estimators))
    outcomes = []
    with progress(console, "runs") as report:
        for number, (horizon, seed, estimator) in enumerate(cells):
            cell = Cell(horizon.name, estimator, seed)
            report(number / len(cells), f"{cell.name}, {number + 1} of {len(cells)}")
            outcomes.append(_outcome(horizon, Place(root, cell), flags))
    return Study(
        command=shlex.join(["bazel", "run", "//studies:nano_curves", "--", *_without_remark(argv)]),
        date=date.today().isoformat(),
        remark=flags.remark,
        configuration={
            horizon.name: {key: value_of(horizon.configuration, key) for key in SHOWN} for horizon in horizons
        },
        starts=starts,
        outcomes=tuple(sorted(outcomes, key=lambda one: flags.estimators.index(one.cell.estimator))),
    )


def _without_remark(argv: Sequence[str]) -> list[str]:
    words = list(argv)
    if "--remark" in words:
        place = words.index("--remark")
        del words[place : place + 2]
    return words


def _horizon(argv: Sequence[str], name: str, root: Path, console: Console) -> Horizon:
    """The horizon of that name; its base model is made, or copied from the cache."""
    preset = read_toml(PRESETS / HORIZONS[name])
    configuration = read(argv, "nano_curves", CurvesFlags, base=preset).configuration
    sections = configuration.environment, configuration.planner, configuration.executor
    settings = BaseSettings(NanoSettings(), *sections, seed=0)
    model = root / f"{name}-base"
    with progress(console, f"base, {name}") as report:
        nano_base(settings, model, report)
    return Horizon(name, configuration, model)


def _base_run(horizon: Horizon) -> Configuration:
    return configured(horizon.configuration, Cell(horizon.name, "hae", 0), horizon.model, group_size=1)


def _outcome(horizon: Horizon, place: Place, flags: CurvesFlags) -> Outcome:
    if outcome := finished(place):
        return outcome
    configuration = configured(horizon.configuration, place.cell, horizon.model, flags.compared)
    train(place, configuration)
    return conclude(place, configuration, flags.held_out)


if __name__ == "__main__":
    main(run)
