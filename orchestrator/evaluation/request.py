"""The command line of an evaluation, read and checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.markup import escape

from configuration import command
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.paths import user_path
from environments import registry
from environments.benchmark import Benchmark, Task, name_of
from orchestrator.evaluation.games import chosen_tasks
from orchestrator.evaluation.run import Job
from orchestrator.preflight.checks import check_model
from run_folder import opening, saved_configuration
from run_folder.adapters import WARM_START, AdapterChoice, named, of_no_run, of_run, run_of
from run_folder.folder import RunFolder
from serving.adapters.pair import AdapterPair
from serving.model import resolve_model

PROGRAM = "evaluate"


class Flags(Section):
    """Options of this command alone."""

    checkpoint: str = ""
    """Adapters to evaluate, separated by commas: a run's folder, one of its checkpoints, a folder with the
    PEFT folders `planner` and `executor`, `warm-start` (a run's first adapters), or `base` (no adapters)."""
    version: int | None = Field(None, ge=0)
    """Version of a run's adapters; by default the newest."""
    planner_adapter: Path | None = None
    """PEFT folder of the planner's adapter, in place of `--checkpoint`."""
    executor_adapter: Path | None = None
    """PEFT folder of the executor's adapter, in place of `--checkpoint`."""
    split: str = ""
    """Splits of the benchmark, separated by commas; by default all except `train`."""
    games: int | None = Field(None, ge=1)
    """Number of tasks to draw from each split with the seed, in a mix from each of its environments; by
    default all."""
    samples: int = Field(1, ge=1)
    """Number of episodes of each task, each with its own seed."""
    task_types: str = ""
    """Types of the tasks to play, separated by commas; by default all."""
    take_over: bool = False
    """Whether to replace the adapters of a run that uses the servers now."""
    out: Path | None = None
    """JSON file to write; by default `evaluation/<split>-<adapters>.json` in the run's folder."""


@dataclass(frozen=True)
class Request:
    """A checked request for an evaluation."""

    configuration: Configuration
    benchmark: Benchmark
    folder: Path
    """Folder of the servers' logs, and of the results unless `--out` is given."""
    jobs: tuple[Job, ...]
    take_over: bool
    """Whether to replace the adapters of a run that has claimed the servers."""


def read(argv: Sequence[str]) -> Request:
    """Reads the command line, and checks everything that can be checked before a server starts."""
    line = command.read(argv, PROGRAM, Flags)
    flags = line.flags
    named = _listed(flags.checkpoint)
    root = _run_folder(named, line.configuration)
    if root is not None and not opening.names_file(argv):
        line = command.read(argv, PROGRAM, Flags, base=saved_configuration.read(root))
    placed = line.configuration.run.model_copy(update={"dir": root})
    configuration = line.configuration.model_copy(update={"run": placed})
    check_model(configuration.planner.model)
    choices = _choices(flags, named, configuration)
    benchmark = registry.load(configuration.environment)
    splits = _listed(flags.split) or [split for split in benchmark.splits if split != "train"]
    tasks = {split: _tasks(benchmark, split, flags, configuration.run.seed) for split in splits}
    folder = _folder(root, flags.out)
    jobs = [
        Job(choice, split, tasks[split], flags.samples, _out(flags.out, folder, choice, split, single))
        for single in [len(choices) * len(splits) == 1]
        for choice in choices
        for split in splits
    ]
    return Request(configuration, benchmark, folder, tuple(jobs), flags.take_over)


def _run_folder(named: Sequence[str], configuration: Configuration) -> Path | None:
    """The run whose configuration is used: that of the first checkpoint with a run, else `--run-dir`."""
    roots = (run_of(name, user_path(name)) for name in named)
    of_checkpoint = next((root for root in roots if root is not None), None)
    if of_checkpoint is None and configuration.run.dir is not None:
        return user_path(configuration.run.dir)
    return of_checkpoint


def _folder(root: Path | None, out: Path | None) -> Path:
    """A folder of its own for each `--out`, so that simultaneous evaluations have separate logs."""
    folder = RunFolder(root).evaluations if root else user_path("evaluations")
    return folder / out.stem if out else folder


def _choices(flags: Flags, named: Sequence[str], configuration: Configuration) -> list[AdapterChoice]:
    if flags.planner_adapter or flags.executor_adapter:
        if named or not (flags.planner_adapter and flags.executor_adapter):
            raise ConfigurationError(
                "--planner-adapter and --executor-adapter must be given together, without --checkpoint"
            )
        return [of_no_run(AdapterPair(user_path(flags.planner_adapter), user_path(flags.executor_adapter)))]
    if not named:
        raise ConfigurationError(
            "nothing to evaluate: --checkpoint needs a run's folder, one of its checkpoints, `warm-start` or "
            "`base`; or --planner-adapter DIR --executor-adapter DIR"
        )
    return _distinct([_choice(name, flags.version, configuration) for name in named])


def _choice(name: str, version: int | None, configuration: Configuration) -> AdapterChoice:
    return _warm_start(configuration) if name == WARM_START else named(name, version)


def _warm_start(configuration: Configuration) -> AdapterChoice:
    """The run's version 0 if it exists, or else adapters that are taught now or found in the cache."""
    root = configuration.run.dir
    if root is not None and 0 in RunFolder(root).adapter_versions():
        return replace(of_run(RunFolder(root), 0), label=WARM_START)
    if not configuration.imitation.enabled:
        raise ConfigurationError(
            "this run starts without a warm start (imitation.enabled = false): use --checkpoint base to "
            "evaluate what it starts with"
        )
    # Imported here: it imports torch, which takes seconds and is not needed otherwise.
    from learner.imitation.first import first_adapters

    model = resolve_model(configuration.learner.model)
    with Console(stderr=True).status("warm start") as shown:
        first = first_adapters(
            configuration,
            model,
            lambda share, text: shown.update(f"warm start, {share:.0%}: {escape(text)}"),
        )
    assert first is not None
    return AdapterChoice(WARM_START, 0, first)


def _distinct(choices: Sequence[AdapterChoice]) -> list[AdapterChoice]:
    """Appends numbers to repeated labels, which would name the same files."""
    labels = [choice.label for choice in choices]
    return [
        replace(choice, label=f"{choice.label}-{labels[:place].count(choice.label) + 1}")
        if choice.label in labels[:place]
        else choice
        for place, choice in enumerate(choices)
    ]


def _tasks(benchmark: Benchmark, split: str, flags: Flags, seed: int) -> tuple[Task, ...]:
    types = _listed(flags.task_types)
    tasks = chosen_tasks(
        benchmark.tasks(split), types, flags.games, seed, lambda task: name_of(benchmark, task.id)
    )
    if not tasks:
        raise ConfigurationError(f"{benchmark.name} has no tasks in split {split}")
    return tasks


def _out(out: Path | None, folder: Path, choice: AdapterChoice, split: str, single: bool) -> Path:
    if out is None:
        return folder / f"{split}-{choice.label}.json"
    path = user_path(out)
    return path if single else path.with_name(f"{path.stem}-{split}-{choice.label}{path.suffix or '.json'}")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
