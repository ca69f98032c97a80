"""What can be checked of a configuration without loading a model or starting a server."""

from __future__ import annotations

from dataclasses import dataclass

from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.paths import user_path
from environments import registry
from environments.benchmark import Benchmark, Task
from orchestrator.preflight.memory.shapes import local_config
from run_folder.sinks import check_wandb
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
        ConfigurationError: settings that contradict each other; a model folder that is not there or lacks
            files; no tasks in the split.
        BenchmarkError: an unknown environment or split, or data that is not there.
    """
    check_settings(configuration)
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


def check_settings(configuration: Configuration) -> None:
    """What is wrong whatever data there is.

    Raises:
        ConfigurationError: an adapter that a server refuses, an answer without room for a prompt, a model
            folder that is not there or lacks files, or a package that is asked for and not installed.
    """
    servers = {"planner": configuration.planner, "executor": configuration.executor}
    for role, server in servers.items():
        if configuration.lora.rank > server.max_lora_rank:
            raise ConfigurationError(
                f"lora.rank = {configuration.lora.rank}: the {role} accepts at most {role}.max_lora_rank = "
                f"{server.max_lora_rank}"
            )
        if server.max_new_tokens >= server.context_length:
            raise ConfigurationError(
                f"{role}.max_new_tokens = {server.max_new_tokens} leaves no room for a prompt: "
                f"{role}.context_length = {server.context_length}"
            )
    check_model(configuration.planner.model)
    check_wandb(configuration.run.wandb)


def check_model(name: str) -> None:
    """Whether a local model is there and whole; a hub id is left to the servers, which download it."""
    if name == BUNDLED or _on_the_hub(name):
        return
    resolve_model(name)


def missing_model(name: str) -> str:
    """What to know of a model of the hub that is not on this machine; empty where all is there."""
    if not _on_the_hub(name) or local_config(name) is not None:
        return ""
    return f"missing: model {name} is not in the hub's cache here; the servers and the learner download it"


def _on_the_hub(name: str) -> bool:
    looks_like_hub = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    return looks_like_hub and not user_path(name).exists()
