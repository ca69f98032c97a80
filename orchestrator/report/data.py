"""The contents of a report, read from a run's folder; with notes on what is missing or damaged there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import HiperError, NotFoundError
from core.intervals import Mean, Proportion
from run_folder import saved_configuration
from run_folder.blocks import EpisodeBlocks
from run_folder.folder import RunFolder
from run_folder.lock import holder
from run_folder.metrics import Metrics, MetricsFile


@dataclass(frozen=True)
class EvaluationSummary:
    """The result of an evaluation, read from its file."""

    file: str
    split: str
    label: str
    version: int
    """Version of the adapters; -1 for the base model."""
    episodes: int
    success: Proportion
    score: Mean
    turns: float
    """Mean number of turns."""


@dataclass(frozen=True)
class RunData:
    """Everything that a report shows."""

    folder: RunFolder
    run_id: str
    lines: tuple[Metrics, ...]
    """Metrics of each update, in order."""
    ends: tuple[Metrics, ...]
    """Metrics written when a learner's process ended: the times since its last update."""
    evaluations: tuple[EvaluationSummary, ...]
    configuration: str
    """Configuration as TOML; empty if there is no file."""
    played: int
    """Number of stored episodes, including those that no update has used yet."""
    set_aside: Mapping[int, str]
    """Reason for each episode that is not trained on, by its number."""
    running: bool
    """Whether a process plays the run or learns in its folder now."""
    notes: tuple[str, ...]
    """Sentences about what is missing or damaged; everything else is shown."""


def read(root: Path, lines: Sequence[Metrics] | None = None) -> RunData:
    """Reads a run's folder; what is missing or damaged there is left out, with a note.

    Args:
        root: Folder of the run.
        lines: Metrics of the updates, if they are not in the folder because the learner runs elsewhere.

    Raises:
        NotFoundError: the folder does not hold a run.
    """
    folder = RunFolder(root)
    made_by_a_run = (folder.configuration, folder.episodes, folder.metrics)
    if not any(path.is_file() for path in made_by_a_run):
        names = ", ".join(path.name for path in made_by_a_run)
        raise NotFoundError(f"{root} is not the folder of a run: it has none of {names}")
    notes: list[str] = []
    run_id, played, set_aside = _episodes(folder.episodes, notes)
    return RunData(
        folder=folder,
        run_id=run_id,
        lines=tuple(lines or _lines(folder.metrics, notes)),
        ends=tuple(_lines(folder.ends, notes)),
        evaluations=tuple(_evaluations(folder.evaluations, notes)),
        configuration=_configuration(folder, notes),
        played=played,
        set_aside=set_aside,
        running=any(holder(path) is not None for path in (folder.lock, folder.learner_lock)),
        notes=tuple(notes),
    )


def _configuration(folder: RunFolder, notes: list[str]) -> str:
    try:
        saved_configuration.read(folder.root)
    except HiperError as error:
        here = folder.configuration.is_file()
        notes.append(f"{error}." if here else f"There is no {folder.configuration.name}.")
    try:
        return folder.configuration.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _lines(path: Path, notes: list[str]) -> list[Metrics]:
    lines, damaged = MetricsFile(path).readable()
    if damaged:
        numbers = ", ".join(map(str, damaged[:5])) + (", …" if len(damaged) > 5 else "")
        notes.append(f"{path.name}: left out {len(damaged)} lines that hold no metrics: {numbers}.")
    return lines


def _episodes(path: Path, notes: list[str]) -> tuple[str, int, Mapping[int, str]]:
    """The run's id, its number of episodes, and the reasons why some are not trained on."""
    if not path.exists():
        notes.append(f"There is no {path.name}: the learner has not started yet, or runs elsewhere.")
        return "", 0, {}
    try:
        store = EpisodeBlocks(path)
    except HiperError as error:
        notes.append(f"No episodes: {error}.")
        return "", 0, {}
    try:
        if store.lacks_values:
            notes.append(f"{path.name} is of an earlier version, which did not keep the critic's values.")
        return store.run_id, store.count(), store.reasons()
    finally:
        store.close()


def _evaluations(folder: Path, notes: list[str]) -> list[EvaluationSummary]:
    """The evaluations in a folder, sorted by split, then by version."""
    read = [(path.name, _evaluation(path)) for path in sorted(folder.glob("*.json"))]
    notes += [f"{folder.name}/{name} is not a complete evaluation." for name, one in read if one is None]
    found = [one for _, one in read if one is not None]
    return sorted(found, key=lambda one: (one.split, one.version, one.label))


def _evaluation(path: Path) -> EvaluationSummary | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        whole = content["results"]["all"]
        return EvaluationSummary(
            file=path.name,
            split=content["split"],
            label=content["adapters"]["label"],
            version=content["adapters"]["version"],
            episodes=whole["episodes"],
            success=Proportion(**whole["success"]),
            score=_score(**whole["score"]),
            turns=whole["turns"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _score(mean: float, **interval: float) -> Mean:
    """The mean score of an evaluation; earlier versions wrote half of the interval instead of its ends."""
    if "half" in interval:
        half = interval["half"]
        return Mean(mean, max(0.0, mean - half), min(1.0, mean + half))
    return Mean(mean, **interval)
