"""The contents of a report, read from a run's folder; whatever is missing there is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import HiperError, NotFoundError
from core.intervals import Mean, Proportion
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics, MetricsFile
from run_folder.store import EpisodeStore, TurnAdvantages
from trajectory.episode import Episode


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
class ShownEpisode:
    """An episode with the advantages of its turns."""

    episode: Episode
    advantages: tuple[TurnAdvantages, ...]
    """Advantages of each turn; empty if no update has used the episode."""


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
    """Configuration as TOML."""
    played: int
    """Number of stored episodes, including those that no update has used yet."""
    set_aside: Mapping[int, str]
    """Reason for each episode that is not trained on, by its number."""
    won: ShownEpisode | None
    """Latest episode that was won."""
    lost: ShownEpisode | None
    """Latest episode that was not won."""


def read(root: Path, lines: Sequence[Metrics] | None = None) -> RunData:
    """Reads a run's folder.

    Args:
        root: Folder of the run.
        lines: Metrics of the updates, if they are not in the folder because the learner runs elsewhere.

    Raises:
        NotFoundError: the folder does not hold a run.
        ConfigurationError: its configuration is not TOML.
        CorruptDataError: its configuration or metrics are damaged; names the file.
    """
    folder = RunFolder(root)
    if not folder.configuration.is_file():
        raise NotFoundError(f"{root} is not the folder of a run: it has no {folder.configuration.name}")
    saved_configuration.read(root)
    stored = _stored(folder.episodes)
    return RunData(
        folder=folder,
        run_id=stored.run_id,
        lines=tuple(lines or MetricsFile(folder.metrics).lines()),
        ends=tuple(MetricsFile(folder.ends).lines()),
        evaluations=tuple(_evaluations(folder.evaluations)),
        configuration=folder.configuration.read_text(encoding="utf-8"),
        played=stored.played,
        set_aside=stored.set_aside,
        won=stored.won,
        lost=stored.lost,
    )


@dataclass(frozen=True)
class _Stored:
    """What a report shows of the episode store."""

    run_id: str = ""
    played: int = 0
    set_aside: Mapping[int, str] = field(default_factory=dict)
    won: ShownEpisode | None = None
    lost: ShownEpisode | None = None


def _stored(path: Path) -> _Stored:
    try:
        store = EpisodeStore.reading(path)
    except HiperError:
        return _Stored()
    try:
        summaries = store.summaries()
        return _Stored(
            run_id=store.run_id,
            played=len(summaries),
            set_aside=store.those_set_aside(),
            won=_last(store, [one.number for one in summaries if one.won]),
            lost=_last(store, [one.number for one in summaries if not one.won]),
        )
    finally:
        store.close()


def _last(store: EpisodeStore, numbers: Sequence[int]) -> ShownEpisode | None:
    """The latest of these episodes that an update has used, else the latest."""
    used = [number for number in numbers[-100:] if store.advantages(number)]
    for number in (*reversed(used), *reversed(numbers)):
        return ShownEpisode(store.load([number])[0], store.advantages(number))
    return None


def _evaluations(folder: Path) -> list[EvaluationSummary]:
    """The evaluations in a folder, sorted by split, then by version."""
    found = [one for path in sorted(folder.glob("*.json")) if (one := _evaluation(path))]
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
            score=Mean(**whole["score"]),
            turns=whole["turns"],
        )
    except (ValueError, KeyError, TypeError):
        return None
