"""Replays episodes recorded with the reference, and compares every answer."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration.environment import EnvironmentSettings
from environments.conformance_report import ConformanceReport
from environments.errors import EnvironmentDataError
from environments.webshop.benchmark import load
from environments.webshop.environment import WebShopEnvironment
from environments.webshop.tasks import hiper_task_id

_NO_LIMIT = 1_000_000
"""Number of steps that is never reached; the reference has no limit of its own."""


@dataclass
class _Tally:
    steps: int = 0
    differences: int = 0
    first: str | None = None

    def compare(self, where: str, recorded: dict[str, Any], ours: dict[str, Any]) -> None:
        """Counts a difference in any field that the recording has."""
        differing = [key for key in ours if key in recorded and recorded[key] != ours[key]]
        if not differing:
            return
        self.differences += 1
        if self.first is None:
            key = differing[0]
            self.first = f"{where}: {key}\n  recorded {recorded[key]!r}\n  ours     {ours[key]!r}"


def replay(file: Path, data: Path | None, seed: int | None = None) -> ConformanceReport:
    """Plays the recording on our shop, with the goals of `seed` or, without it, of the seeds recorded.

    Args:
        file: Recording as JSON lines (.xz or plain), one episode per line, in the format of
            golden/episodes_seed233.jsonl.xz.
        data: Folder of the catalogue that was recorded; None for the one in WEBSHOP_DATA.
        seed: Seed of the goals.

    Raises:
        EnvironmentDataError: either is missing, broken, or of another kind.
    """
    shop = load(
        EnvironmentSettings(
            name="webshop", data=data, source="real", step_limit=_NO_LIMIT, compat="hiper", seed=seed or 0
        )
    )
    tally = _Tally()
    environment = shop.environment()
    for line, episode in _episodes(file):
        try:
            _replay_episode(episode, environment, seed, f"episode {line}", tally)
        except (KeyError, TypeError, AttributeError) as error:
            raise EnvironmentDataError(f"{file}, line {line}: not a recorded episode ({error!r})") from error
    return ConformanceReport(tally.steps, tally.differences, tally.first)


def _replay_episode(
    episode: dict[str, Any], environment: WebShopEnvironment, seed: int | None, name: str, tally: _Tally
) -> None:
    task = hiper_task_id(episode["seed"] if seed is None else seed, episode["goal_index"])
    observation, _ = environment.reset(options={"task": task})
    tally.compare(
        f"{name}, reset",
        {"observation": episode["reset_obs"], "available actions": episode["reset_available"]},
        {"observation": observation, "available actions": _available(environment)},
    )
    for number, recorded in enumerate(episode["steps"], 1):
        observation, reward, terminated, _, _ = environment.step(recorded["action"])
        tally.steps += 1
        named = {"observation": "obs", "available actions": "available", "reward": "reward", "done": "done"}
        tally.compare(
            f"{name}, step {number}, action {recorded['action'][:200]!r}",
            {ours: recorded[theirs] for ours, theirs in named.items() if theirs in recorded},
            {
                "observation": observation,
                "available actions": _available(environment),
                "reward": reward,
                "done": terminated,
            },
        )


def _available(environment: WebShopEnvironment) -> dict[str, Any]:
    return {"has_search_bar": environment.has_search_bar, "clickables": list(environment.clickables)}


def _episodes(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and contents of each recorded episode."""
    try:
        with lzma.open(file, "rt") if file.suffix == ".xz" else file.open() as lines:
            for number, line in enumerate(lines, 1):
                yield number, json.loads(line)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise EnvironmentDataError(f"{file} is not a readable recording: {error}") from error
