"""What can be checked of a configuration without loading a model or starting a server."""

from __future__ import annotations

from dataclasses import dataclass

from configuration.errors import ConfigurationError
from configuration.paths import user_path
from configuration.tree import Configuration
from environments import registry
from environments.benchmark import Benchmark, Task
from serving.errors import HiperError
from serving.model import BUNDLED, resolve_model


@dataclass(frozen=True)
class Inputs:
    """What will be played."""

    benchmark: Benchmark
    tasks: tuple[Task, ...]
    description: str
    """For people."""


def check_inputs(configuration: Configuration) -> Inputs:
    """The benchmark, read; the model's folder is looked at, not loaded.

    Raises:
        ConfigurationError: a model folder that is not there or lacks files; no tasks in the split.
        BenchmarkError: an unknown environment or split, or data that is not there.
    """
    check_model(configuration.planner.model)
    benchmark = registry.load(configuration.environment)
    split = configuration.orchestrator.split
    tasks = benchmark.tasks(split)
    if not tasks:
        raise ConfigurationError(f"{benchmark.name} has no tasks in split {split}")
    episodes = configuration.learner.updates * configuration.learner.episodes_per_update
    description = (
        f"{episodes} episodes of {benchmark.name}, {len(tasks)} tasks in split {split}, "
        f"model {configuration.planner.model}"
    )
    return Inputs(benchmark, tasks, description)


def check_model(name: str) -> None:
    """Whether a local model is there and whole; a hub id is left to the servers, which download it."""
    looks_like_hub = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if name == BUNDLED or (looks_like_hub and not user_path(name).exists()):
        return
    try:
        resolve_model(name)
    except HiperError as error:
        raise ConfigurationError(str(error)) from error
