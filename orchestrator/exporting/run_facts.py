"""What the cards of an export say about a run, read from its saved configuration."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from configuration.keys import keys
from configuration.tree import Configuration
from core import shown
from run_folder import saved_configuration
from run_folder.opening import MAY_CHANGE
from serving.model import BUNDLED, hub_id

_MODELS = ("planner.model", "executor.model", "learner.model")
_SAID = ("learner.updates", "ppo.learning_rate", "ppo.planner_learning_rate")
"""Keys that say what a run has learnt, although they may change when it is resumed."""


@dataclass(frozen=True)
class RunFacts:
    """The configuration of a run, which may be of an earlier version."""

    saved: Mapping[str, Any]
    """Saved configuration as nested tables."""

    @classmethod
    def of(cls, root: Path) -> Self:
        """Reads the configuration of the run in this folder.

        Raises:
            NotFoundError: the folder does not hold a run.
            CorruptDataError: the configuration is damaged.
        """
        return cls(saved_configuration.of_run(root))

    def value(self, key: str) -> Any:
        """The saved value of a key such as `planner.model`; None if it is not there."""
        value: Any = self.saved
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    @property
    def model(self) -> str:
        """Name of the base model: a hub id, or the last part of a folder's path."""
        return self.hub_id or Path(self.value("planner.model")).name

    @property
    def hub_id(self) -> str | None:
        """Id of the base model on the Hub; None for a model from a folder."""
        return hub_id(self.value("planner.model"))

    @property
    def is_bundled(self) -> bool:
        """Whether the base model is the bundled one, whose weights are not exactly those on the Hub."""
        return bool(self.value("planner.model") == BUNDLED)

    @property
    def environment(self) -> str:
        """Environment or mix, and data, in a few words."""
        source = self.value("environment.source")
        title = ", ".join(self.value("environment.mix") or (self.value("environment.name"),))
        return f"{title} ({source} tasks)" if source else title

    @property
    def environments(self) -> tuple[str, ...]:
        """Names of the environments."""
        mix = self.value("environment.mix") or ()
        return tuple(each.rpartition("=")[0] for each in mix) or (self.value("environment.name"),)

    @property
    def command(self) -> str:
        """A command that plays such a run: each key that decides what is computed, and has not its default.

        Of paths, only the last part is shown.
        """
        options = [f"--model {shlex.quote(self.hub_id or self.model)}", *self._options()]
        return " \\\n    ".join([f"{shown.command('//orchestrator:train')} --run-dir DIR", *options])

    def _options(self) -> Iterator[str]:
        defaults = RunFacts(Configuration().model_dump(mode="json"))
        for key in keys(Configuration):
            value = self.value(key.name)
            told = key.name in _SAID or not (key.name in MAY_CHANGE or key.name in _MODELS)
            if told and value is not None and value != defaults.value(key.name):
                yield f"--{key.name} {shlex.quote(_option_text(value, key.is_path))}"


def _option_text(value: Any, is_path: bool) -> str:
    if isinstance(value, list):
        return ",".join(_option_text(item, is_path) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return Path(value).name if is_path else str(value)
