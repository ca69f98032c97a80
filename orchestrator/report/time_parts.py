"""Divides a run's time into parts that add up to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.role import Role
from run_folder import metric_names as names
from run_folder.metrics import Metrics

_OF_EPISODES = (
    ("generation", names.ENGINE_SHARE),
    ("environment", names.ENVIRONMENT_SHARE),
    ("RPC and orchestrator", names.RPC_SHARE),
)
_OF_UPDATE = (
    ("values", names.TIME_VALUES),
    ("advantages", names.TIME_ADVANTAGES),
    ("update: planner", names.time_update(Role.PLANNER)),
    ("update: executor", names.time_update(Role.EXECUTOR)),
    ("update: critic", names.TIME_UPDATE_CRITIC),
)


@dataclass(frozen=True)
class Part:
    """A part of a run's time."""

    name: str
    seconds: float


def time_parts(lines: Iterable[Metrics]) -> list[Part]:
    """Wall time of the learner's steps, in the order of a step's parts; parts without time are left out.

    The time spent gathering episodes is divided in proportion to the episodes' own times, which overlap.
    Missing metrics count as 0, so that runs of older versions can be read.
    """
    sums: dict[str, float] = {}
    for line in lines:
        for name, seconds in _of_line(line):
            sums[name] = sums.get(name, 0.0) + seconds
    return [Part(name, seconds) for name, seconds in sums.items() if seconds > 0]


def _of_line(line: Metrics) -> list[tuple[str, float]]:
    gather, update = line.get(names.TIME_GATHER, 0.0), line.get(names.TIME_UPDATE, 0.0)
    within = [(name, line.get(metric, 0.0)) for name, metric in _OF_UPDATE]
    return [
        ("start", line.get(names.TIME_START, 0.0)),
        *_gathered(line, gather),
        *within,
        ("update: other", max(update - sum(seconds for _, seconds in within), 0.0)),
        ("checkpoint", line.get(names.TIME_CHECKPOINT, 0.0)),
        ("push", line.get(names.TIME_PUSH, 0.0)),
    ]


def _gathered(line: Metrics, seconds: float) -> list[tuple[str, float]]:
    shares = [(name, line.get(metric, 0.0)) for name, metric in _OF_EPISODES]
    if not any(share for _, share in shares):
        shares = [("gathering, not split", 1.0)]
    return [(name, seconds * share) for name, share in shares]


def percentages(parts: Sequence[Part]) -> list[float]:
    """Percentages with one decimal that add up to exactly 100.0 (method of largest remainders)."""
    whole = sum(part.seconds for part in parts)
    exact = [1000 * part.seconds / whole for part in parts]
    tenths = [int(each) for each in exact]
    by_remainder = sorted(range(len(parts)), key=lambda place: tenths[place] - exact[place])
    for place in by_remainder[: 1000 - sum(tenths)]:
        tenths[place] += 1
    return [each / 10 for each in tenths]
