"""Replays games that were recorded with TextWorld's engine, and compares every answer."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.episode import Episode
from environments.alfworld.sources import open_source
from environments.conformance_report import ConformanceReport
from environments.errors import EnvironmentDataError


def replay(file: Path, data: Path | None, seed: int | None = None) -> ConformanceReport:
    """Plays the recording on our engine.

    Args:
        file: Recording as JSON lines (.xz or plain), one game per line: `game` (a task id), `reset`
            (observation, admissible) and `steps` (action, observation, admissible, won), as in
            shared/alfworld/transcripts.jsonl.xz.
        data: Tree of games, or the packed archive that holds them.
        seed: Not used; nothing in ALFWorld is random.

    Raises:
        EnvironmentDataError: either is missing, broken, or of another kind.
    """
    if data is None:
        raise EnvironmentDataError(
            "the recorded games are needed: name a folder made by alfworld-download, or the packed archive, "
            "with --data or ALFWORLD_DATA"
        )
    benchmark = AlfworldBenchmark(open_source(data))
    steps = differences = 0
    first: str | None = None
    for line, record in _records(file):
        try:
            for is_step, difference in _compare(benchmark, record):
                steps += is_step
                differences += difference is not None
                first = first or difference
        except (KeyError, TypeError, AttributeError) as error:
            raise EnvironmentDataError(f"{file}, line {line}: not a recorded game ({error!r})") from error
    return ConformanceReport(steps, differences, first)


def _compare(benchmark: AlfworldBenchmark, record: dict[str, Any]) -> Iterator[tuple[bool, str | None]]:
    """For each answer: whether it is the answer to a step, and the difference in words or None."""
    episode = Episode(benchmark.game(str(record["game"])))
    where = f"{record['game']}, reset"
    yield False, _difference(where, record["reset"], episode.introduction(), episode)
    for number, recorded in enumerate(record["steps"], 1):
        where = f"{record['game']}, step {number}, action {recorded['action'][:200]!r}"
        yield True, _difference(where, recorded, episode.act(recorded["action"]), episode)


def _difference(where: str, recorded: dict[str, Any], observation: str, episode: Episode) -> str | None:
    ours = {"observation": observation, "admissible": list(episode.admissible), "won": episode.won}
    for field, value in ours.items():
        if field in recorded and recorded[field] != value:
            return f"{where}: {field}\n  recorded {recorded[field]!r}\n  ours     {value!r}"
    return None


def _records(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and content of each recorded game."""
    try:
        with lzma.open(file, "rt") if file.suffix == ".xz" else file.open() as lines:
            for number, line in enumerate(lines, 1):
                yield number, json.loads(line)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise EnvironmentDataError(f"{file} is not a readable recording: {error}") from error
