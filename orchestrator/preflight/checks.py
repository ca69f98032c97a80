"""Checks of a configuration that need neither a loaded model nor a running server."""

from __future__ import annotations

from dataclasses import dataclass

from configuration.learner import check_packages as check_learner_packages
from configuration.tree import Configuration
from core import tracing
from core.errors import ConfigurationError
from core.paths import user_path
from core.role import Role
from environments import registry
from environments.benchmark import Benchmark, Task
from orchestrator.preflight.memory.shapes import local_config
from orchestrator.servers.replicas import replica_plans
from play.schedule import parts_of
from run_folder.folder import RunFolder
from run_folder.sinks import check_packages
from run_folder.store import EpisodeStore
from serving.adapters.given import given_pair
from serving.model import BUNDLED, resolve_model
from serving.vllm_options import check_options
from trajectory.lease import TaskPart


@dataclass(frozen=True)
class Inputs:
    """The benchmark and tasks that a run will play."""

    benchmark: Benchmark
    tasks: tuple[Task, ...]
    parts: tuple[TaskPart, ...]
    """Parts of the tasks, if they are those of several environments."""
    description: str
    """Summary in one line, for people."""


def check_inputs(configuration: Configuration) -> Inputs:
    """Checks the settings and the model's folder, and loads the benchmark.

    Raises:
        ConfigurationError: settings contradict each other, or the split has no tasks.
        NotFoundError: the model's folder, the pair to start from, or a run to learn from is missing.
        InvalidInputError: the model's folder lacks files.
        BenchmarkError: the environment or the split is unknown, or data is missing.
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
    return Inputs(benchmark, tasks, parts_of(benchmark, tasks), description)


def check_settings(configuration: Configuration) -> None:
    """Checks all that does not depend on the benchmark's data.

    Raises:
        ConfigurationError: a server would refuse the adapters, answers leave no room for a prompt, several
            servers would listen on one port, vLLM lacks an option, a batch cannot be divided by the shares
            of a mix, or a package that is asked for is not installed.
        NotFoundError: the model's folder, the pair to start from, or a run to learn from is missing.
        InvalidInputError: the model's folder lacks files.
    """
    servers = {"planner": configuration.planner, "executor": configuration.executor}
    for role, server in servers.items():
        if configuration.lora.rank > server.max_lora_rank:
            raise ConfigurationError(
                f"lora.rank = {configuration.lora.rank}: the {role} accepts at most {role}.max_lora_rank = "
                f"{server.max_lora_rank}"
            )
        if server.longest_answer >= server.context_length:
            thought = f" and {role}.think = {server.think} leave" if server.think else " leaves"
            raise ConfigurationError(
                f"{role}.max_new_tokens = {server.max_new_tokens}{thought} no room for a prompt: "
                f"{role}.context_length = {server.context_length}"
            )
        replica_plans(Role(role), server)
        check_options(role, server.vllm)
    _check_shares(configuration)
    check_model(configuration.planner.model)
    check_packages(configuration.run)
    if configuration.learner.address is None:
        check_learner_packages(configuration.learner.quantization)
        if configuration.imitation.enabled:
            given_pair(configuration.imitation)
            for folder in configuration.imitation.episodes:
                EpisodeStore.reading(RunFolder(user_path(str(folder))).episodes).close()
    if configuration.run.trace is not None:
        tracing.check_packages(configuration.run.trace)


def _check_shares(configuration: Configuration) -> None:
    groups = configuration.learner.episodes_per_update // configuration.learner.group_size
    whole = sum(configuration.environment.shares.values())
    if whole and groups % whole:
        raise ConfigurationError(
            f"environment.mix has {whole} shares, into which the {groups} groups of an update cannot be "
            f"divided: learner.episodes_per_update must be a multiple of {whole} * learner.group_size"
        )


def check_model(name: str) -> None:
    """Checks that a local model is complete; a model on the hub is left to the servers, which download it.

    Raises:
        NotFoundError: there is no such folder.
        InvalidInputError: the folder lacks files; says which.
    """
    if name == BUNDLED or _on_the_hub(name):
        return
    resolve_model(name)


def missing_model(name: str) -> str:
    """A line that says that a model of the hub is not on this machine yet; empty if it is."""
    if not _on_the_hub(name) or local_config(name) is not None:
        return ""
    return f"missing: model {name} is not in this machine's cache of the hub; servers and learner download it"


def _on_the_hub(name: str) -> bool:
    looks_like_hub = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    return looks_like_hub and not user_path(name).exists()
