"""What can be checked of a configuration without loading a model or starting a server."""

from __future__ import annotations

from configuration.errors import ConfigurationError
from configuration.paths import user_path
from configuration.tree import Configuration
from environments import registry
from serving.errors import HiperError
from serving.model import BUNDLED, resolve_model


def check_inputs(configuration: Configuration) -> str:
    """What would be played by what, in words.

    Raises:
        ConfigurationError: a model folder that is not there or lacks files.
        BenchmarkError: an unknown environment or split, or data that is not there.
    """
    check_model(configuration.planner.model)
    benchmark = registry.load(configuration.environment)
    split = configuration.orchestrator.split
    episodes = configuration.learner.updates * configuration.learner.episodes_per_update
    return (
        f"{episodes} episodes of {benchmark.name}, {len(benchmark.tasks(split))} tasks in split {split}, "
        f"model {configuration.planner.model}"
    )


def check_model(name: str) -> None:
    """Whether a local model is there and whole; a hub id is left to the servers, which download it."""
    looks_like_hub = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if name == BUNDLED or (looks_like_hub and not user_path(name).exists()):
        return
    try:
        resolve_model(name)
    except HiperError as error:
        raise ConfigurationError(str(error)) from error
