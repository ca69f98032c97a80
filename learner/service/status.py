"""The status of a run of the learner: its parts write it, and `GetStatus` reads it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from learner.service.gate import Schedule
from trajectory.learner_status import LearnerStatus, Phase

log = logging.getLogger(__name__)


class StatusBoard:
    """The learner's status. Thread-safe: an update reports its progress from a thread of its own."""

    def __init__(self, run_id: str, schedule: Schedule) -> None:
        self._episodes_per_update = schedule.episodes_per_update
        self._set_aside: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self._now = LearnerStatus(
            run_id=run_id,
            phase=Phase.STARTING,
            message="loading the model",
            version=-1,
            updates_done=0,
            updates_total=schedule.updates,
            episodes_stored=0,
            episodes_trained=0,
            leases_open=0,
            progress=0.0,
            metrics={},
        )

    @property
    def now(self) -> LearnerStatus:
        return self._now

    def show(self, phase: Phase, message: str, progress: float = 0.0) -> None:
        """Begins a phase, and logs it."""
        log.info("%s: %s", phase.value, message)
        self._change(phase=phase, message=message, progress=progress)

    def report(self, share: float, message: str) -> None:
        """Sets the progress of the current phase; it can be passed on as a `Progress`."""
        self._change(progress=share, message=message)

    def count(self, episodes_stored: int, leases_open: int) -> None:
        """Sets the numbers of stored episodes and of open leases."""
        self._change(episodes_stored=episodes_stored, leases_open=leases_open)

    def set_aside(self, episodes: Iterable[int]) -> None:
        """Sets the places of the episodes that updates cannot train on."""
        self._set_aside = frozenset(episodes)

    def published(self, version: int) -> None:
        """Sets the version that both servers answer with."""
        used = version * self._episodes_per_update
        trained = used - sum(number < used for number in self._set_aside)
        self._change(version=version, updates_done=version, episodes_trained=trained)

    def updated(self, metrics: Mapping[str, float]) -> None:
        """Sets the metrics of the last update."""
        self._change(metrics=dict(metrics))

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._now = replace(self._now, **changes)
