"""The adapters that a run starts with."""

from __future__ import annotations

from configuration.tree import Configuration
from core.progress import Progress
from environments import registry
from learner.imitation.shipped import shipped_pair
from learner.imitation.teaching import WarmStartSettings, warm_start
from serving.adapters.given import given_pair
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder


def first_adapters(
    configuration: Configuration, model: ModelFolder, progress: Progress
) -> AdapterPair | None:
    """The pair in `imitation.adapters`, if there are no lessons. Otherwise a pair taught from demonstrations:
    the one in the repository, one from the cache, or a new one. None without a warm start."""
    if not configuration.imitation.enabled:
        return None
    if not configuration.imitation.has_lessons:
        return given_pair(configuration.imitation)
    settings = WarmStartSettings.of(configuration)
    if shipped := shipped_pair(settings, model, configuration.environment.title):
        return shipped
    benchmark = registry.load(configuration.environment)
    return warm_start(settings, model, benchmark, configuration.run.seed, progress).adapters
