"""`bazel run //studies:nano_curves -- --out DIR`: compares ways to train by training the nano model."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from filelock import FileLock
from pydantic import Field
from rich.console import Console

from configuration.command import given_options, main, read
from configuration.files import read_toml
from configuration.keys import value_of
from configuration.section import Section
from core.errors import ConfigurationError
from core.freed_memory import keep_freed_memory
from core.paths import user_path
from core.progress import progress
from studies.curves.horizons import HORIZONS, PRESETS, Horizon, base_models
from studies.curves.methods import METHODS, Cell, configured
from studies.curves.plan import Plan
from studies.curves.playing import Cells
from studies.curves.report import Study, write
from studies.curves.study import Outcome, Place, Score, base_score, play, recorded_score

SHOWN = (
    "environment.step_limit",
    "environment.generator.task_types",
    "environment.generator.horizon",
    "environment.generator.clutter",
    "learner.updates",
    "learner.episodes_per_update",
    "lora.rank",
    "ppo.minibatches",
    "critic.memory",
    "critic.heads",
    "estimator.keep_penalty.mode",
)
"""Keys whose values the page shows."""
_OF_THIS_PAGE = {"out", "results", "name", "report_only", "remark"}
"""Options that the command on the page does not have as they were given."""


class CurvesFlags(Section):
    """Options of this command; keys of the configuration apply to all runs."""

    out: Path | None = None
    """Folder of the runs; finished ones are kept, interrupted ones resumed. Several commands may use the same
    folder at once, and then share the runs."""
    results: Path | None = None
    """Folder that page, plots and numbers are written to; the folder of `out` if not given."""
    name: str = Field("nano_credit", pattern=r"[a-z0-9_]+")
    """Beginning of the names of these files."""
    horizons: tuple[str, ...] = tuple(HORIZONS)
    """Horizons to play, of `tiny`, `short` and `long`, with commas between them."""
    methods: tuple[str, ...] = tuple(METHODS)
    """Methods to compare, with commas between them."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds that are reported, with commas between them."""
    rates: tuple[float, ...] = (1e-3, 2e-3)
    """Learning rates, of which each method gets the better one at each horizon."""
    choosing_seeds: tuple[int, ...] = (100,)
    """Seeds by which the rates are chosen; they are not reported."""
    held_out: int = Field(200, ge=1)
    """Number of held-out games, in rooms of their own, that are played before and after training."""
    compared: int = Field(8, ge=2)
    """Number of episodes of one task that GRPO and GiGPO compare."""
    report_only: bool = False
    """Whether to play nothing and write the page of the runs that are finished."""
    remark: str = ""
    """Remark for readers of the page, such as what else the machine was doing."""


def run(argv: Sequence[str]) -> int:
    flags = _checked(read(argv, "nano_curves", CurvesFlags).flags)
    keep_freed_memory()
    console = Console()
    root = user_path(str(flags.out))
    cells = Cells(_plan(flags), lambda cell: Place(root, cell))
    # From short to long, whatever the order of playing is.
    names = [name for name in HORIZONS if name in flags.horizons]
    horizons = {name: _horizon(argv, name) for name in names}
    if flags.report_only:
        starts = {name: _recorded_starts(name, root) for name in names}
    else:
        models = {name: _models(horizon, flags, console) for name, horizon in horizons.items()}
        starts = {name: _starts(horizons[name], models[name], root, flags) for name in names}
        _play(cells, horizons, models, flags, console)
    study = _study(argv, flags, horizons, starts, cells)
    for path in write(study, user_path(str(flags.results or flags.out)), flags.name):
        console.print(str(path), soft_wrap=True)
    return 0


def _checked(flags: CurvesFlags) -> CurvesFlags:
    if flags.out is None:
        raise ConfigurationError("--out DIR says where the runs are kept")
    for option, given, accepted in (
        ("horizons", flags.horizons, HORIZONS),
        ("methods", flags.methods, METHODS),
    ):
        if unknown := sorted(set(given) - set(accepted)):
            raise ConfigurationError(f"--{option} {','.join(unknown)}: accepted are {', '.join(accepted)}")
    if both := sorted(set(flags.seeds) & set(flags.choosing_seeds)):
        raise ConfigurationError(
            f"--choosing-seeds {','.join(map(str, both))}: seeds that choose a setting are not reported"
        )
    return flags


def _plan(flags: CurvesFlags) -> Plan:
    return Plan(flags.horizons, flags.methods, flags.seeds, flags.rates, flags.choosing_seeds)


def _horizon(argv: Sequence[str], name: str) -> Horizon:
    preset = read_toml(PRESETS / HORIZONS[name])
    return Horizon(name, read(argv, "nano_curves", CurvesFlags, base=preset).configuration)


def _models(horizon: Horizon, flags: CurvesFlags, console: Console) -> dict[bool, Path]:
    hierarchies = {METHODS[method].hierarchy for method in flags.methods}
    with progress(console, f"base models, {horizon.name}") as report:
        return base_models(horizon, hierarchies, report)


def _starts(horizon: Horizon, models: dict[bool, Path], root: Path, flags: CurvesFlags) -> dict[bool, Score]:
    """The scores of the base models; several commands that begin at once measure them once."""
    root.mkdir(parents=True, exist_ok=True)
    scores = {}
    for hierarchy, model in models.items():
        cell = Cell(horizon.name, "gae" if hierarchy else "no_hierarchy", flags.rates[0], 0)
        file = _start(horizon.name, hierarchy, root)
        with FileLock(file.with_suffix(".lock")):
            configuration = configured(horizon.configuration, cell, model, flags.compared)
            scores[hierarchy] = base_score(file, configuration, flags.held_out)
    return scores


def _recorded_starts(horizon: str, root: Path) -> dict[bool, Score]:
    """The scores of the base models that were measured before."""
    files = {hierarchy: _start(horizon, hierarchy, root) for hierarchy in (True, False)}
    return {hierarchy: score for hierarchy, file in files.items() if (score := recorded_score(file))}


def _start(horizon: str, hierarchy: bool, root: Path) -> Path:
    """The file of a base model's score."""
    return root / f"{horizon}-base{'' if hierarchy else '-no-hierarchy'}.json"


def _play(
    cells: Cells,
    horizons: dict[str, Horizon],
    models: dict[str, dict[bool, Path]],
    flags: CurvesFlags,
    console: Console,
) -> None:
    seeds = set(flags.seeds)

    def played(cell: Cell, place: Place) -> Outcome:
        model = models[cell.horizon][METHODS[cell.method].hierarchy]
        configuration = configured(horizons[cell.horizon].configuration, cell, model, flags.compared)
        learner = configuration.learner
        with progress(console, cell.name) as report:
            step = _counted(report, learner.updates * learner.episodes_per_update)
            return play(place, configuration, flags.held_out if cell.seed in seeds else 0, step)

    cells.play_all(played, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))


def _counted(report: Callable[[float, str], None], total: int) -> Callable[[], None]:
    """A callback that reports one episode of `total` more at each call."""
    played = 0

    def step() -> None:
        nonlocal played
        played += 1
        report(played / total, f"episode {played} of {total}")

    return step


def _study(
    argv: Sequence[str],
    flags: CurvesFlags,
    horizons: dict[str, Horizon],
    starts: dict[str, dict[bool, Score]],
    cells: Cells,
) -> Study:
    rates = " and ".join(f"{rate:g}" for rate in flags.rates)
    chosen = (
        f"Each method has the better learning rate of {rates}, by success over training with other seeds "
        "than those reported."
        if len(flags.rates) > 1
        else f"The learning rate of every method is {rates}."
    )
    return Study(
        command=_command(argv),
        date=date.today().isoformat(),
        remark=flags.remark,
        settings=chosen,
        runs=len(flags.horizons) * len(flags.methods) * len(flags.seeds),
        configuration={
            name: {key: value_of(horizon.configuration, key) for key in SHOWN}
            for name, horizon in horizons.items()
        },
        starts=starts,
        outcomes=tuple(cells.reported()),
    )


def _command(argv: Sequence[str]) -> str:
    """The command of the study: what was given, but for what belongs to this machine or this page alone."""
    given = given_options(argv, "nano_curves", CurvesFlags)
    file = {} if given.file is None else {"config": given.file}
    flags = {
        name.replace("_", "-"): value for name, value in given.flags.items() if name not in _OF_THIS_PAGE
    }
    options = {"out": "DIR", **file, **flags, **given.keys}
    words = (word for name, value in options.items() for word in (f"--{name}", value))
    return shlex.join(["bazel", "run", "//studies:nano_curves", "--", *words])


if __name__ == "__main__":
    main(run)
