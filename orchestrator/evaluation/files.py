"""An evaluation's files: a log of episodes as they end, and finally a JSON file with everything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from configuration.keys import keys, value_of
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.files import replace_file
from orchestrator.evaluation.games import Played
from run_folder.adapters import AdapterChoice
from run_folder.opening import MAY_CHANGE

FORMAT = 1
_DECISIVE = ("environment.", "planner.", "executor.")
"""Sections of the configuration that episodes depend on."""


def identity(configuration: Configuration, choice: AdapterChoice, split: str) -> dict[str, Any]:
    """All that an evaluation's episodes depend on, as opposed to where and how fast they are played."""
    decisive = {
        key.name: str(value_of(configuration, key.name))
        for key in keys(Configuration)
        if key.name.startswith(_DECISIVE) and key.name not in MAY_CHANGE
    }
    adapters = {f"adapter of the {role}": sha256 for role, sha256 in choice.hashes.items()}
    return {"format": FORMAT, "split": split, "run.seed": configuration.run.seed, **adapters, **decisive}


class EpisodeLog:
    """A file with a line of JSON for each episode, after a first line that identifies the evaluation."""

    def __init__(self, path: Path, evaluated: Mapping[str, Any]) -> None:
        """Continues the file, or creates it.

        Raises:
            ConfigurationError: it holds episodes of another evaluation; nothing changes.
        """
        self._path = path
        lines = _lines(path) if path.exists() else []
        if lines:
            self._check(lines[0], evaluated)
        self.episodes = [Played(**{**line, "subgoals": tuple(line["subgoals"])}) for line in lines[1:]]
        """Episodes that were played before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew without the last line if an interruption has cut that off.
        replace_file(path, "".join(json.dumps(line) + "\n" for line in (lines or [dict(evaluated)])))

    def keep(self, played: Played) -> None:
        """Appends an episode."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(played)) + "\n")

    def _check(self, found: Mapping[str, Any], evaluated: Mapping[str, Any]) -> None:
        # A log of an earlier version lacks the keys that were added since: it was played with their defaults.
        defaults = {key.name: str(key.default) for key in keys(Configuration)}
        found = {name: found.get(name, defaults.get(name)) for name in {*found, *evaluated}}
        names = sorted(name for name in found if found[name] != evaluated.get(name))
        if names:
            differing = "; ".join(f"{name} was {found[name]}, not {evaluated.get(name)}" for name in names)
            raise ConfigurationError(
                f"{self._path} holds episodes of another evaluation: {differing}. --out chooses another file"
            )


def _lines(path: Path) -> list[dict[str, Any]]:
    return list(_whole(path.read_text(encoding="utf-8").splitlines()))


def _whole(texts: list[str]) -> Iterator[dict[str, Any]]:
    for text in texts:
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            return


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically."""
    replace_file(path, json.dumps(content, indent=1) + "\n")
