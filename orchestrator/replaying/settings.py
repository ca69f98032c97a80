"""The part of a run's configuration that its episodes depend on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configuration.environment import EnvironmentSettings
from configuration.section import Section
from configuration.servers import ModelServerSettings, PlannerSettings
from core.role import Role
from run_folder import saved_configuration
from serving.model import DtypeName


class ReplaySettings(Section):
    """Sections of the configuration that a replay reads; others may be of an earlier version."""

    environment: EnvironmentSettings = EnvironmentSettings()
    planner: PlannerSettings = PlannerSettings()
    executor: ModelServerSettings = ModelServerSettings()


def saved_settings(root: Path) -> dict[str, Any]:
    """The saved sections of the run in this folder, as nested tables.

    Raises:
        NotFoundError: the folder does not hold a run.
        ConfigurationError: the configuration is not TOML.
        CorruptDataError: the configuration is damaged.
    """
    saved = saved_configuration.of_run(root)
    return {section: saved[section] for section in ReplaySettings.model_fields}


def number_formats(saved: Mapping[str, Any]) -> dict[Role, DtypeName]:
    """The number format of each role in saved sections."""
    return {role: saved[role.value].get("dtype", "auto") for role in Role}
