"""What the learner is doing, as it tells whoever watches over a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What the learner is doing; the values are for people."""

    STARTING = "starting"
    """Loads the model, warms up or restores, publishes; no leases yet."""
    GATHERING = "gathering episodes"
    """Leases are open and episodes come in."""
    UPDATING = "updating"
    """An update is being computed."""
    PUBLISHING = "publishing"
    """Adapters are on their way to the servers."""
    FINISHED = "finished"
    """All updates are made and published, or the run was asked to end."""
    FAILED = "failed"
    """Stopped by an error; what was acknowledged is kept."""
    UNKNOWN = "unknown"
    """A phase of a newer learner, as an older client reads it."""


@dataclass(frozen=True)
class LearnerStatus:
    """The learner at one moment."""

    run_id: str
    phase: Phase
    message: str
    """The phase in words, or why the learner failed."""
    version: int
    """Version of the adapters published last; -1 before the first."""
    updates_done: int
    updates_total: int
    episodes_stored: int
    episodes_trained: int
    """Episodes that updates have used."""
    leases_open: int
    """Leases that no episode has answered yet."""
    progress: float
    """Share of the phase that is done, in [0, 1]."""
    metrics: Mapping[str, float]
    """Metrics of the last update, by name; empty before it."""
