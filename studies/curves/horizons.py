"""The games of the study, from short to long: presets, and how the base models are taught."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configuration.tree import Configuration
from core.progress import Progress
from studies.nano.base import BaseSettings, nano_base_folder
from studies.nano.settings import NanoSettings

PRESETS = Path(__file__).parents[2] / "presets"
HORIZONS = {"tiny": "nano.toml", "short": "nano_short.toml", "long": "nano_long.toml"}
"""Preset of each horizon."""
_TEACHING = {"long": NanoSettings(step_subgoals=True)}
"""Settings of the base models that are not nano's defaults."""


@dataclass(frozen=True)
class Horizon:
    """The games of one horizon."""

    name: str
    configuration: Configuration


def base_models(horizon: Horizon, hierarchies: set[bool], progress: Progress) -> dict[bool, Path]:
    """The folders of the base models, with and without a hierarchy; those not in the cache are made.

    Without a hierarchy, the model is taught by the same player in the same games, with the task as the only
    subgoal.
    """
    models = {}
    configuration = horizon.configuration
    for hierarchy in sorted(hierarchies, reverse=True):
        planner = configuration.planner.model_copy(update={"hierarchy": hierarchy})
        sections = configuration.environment, planner, configuration.executor
        settings = BaseSettings(_TEACHING.get(horizon.name, NanoSettings()), *sections, seed=0)
        models[hierarchy], _ = nano_base_folder(settings, progress)
    return models
