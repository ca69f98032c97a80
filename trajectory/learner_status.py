"""The learner's status, as it reports it to commands that watch a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """The learner's current activity; the values are texts for people."""

    STARTING = "starting"
    """Loading the model, teaching or restoring the adapters, publishing them; no leases are granted yet."""
    GATHERING = "gathering episodes"
    """Granting leases and receiving episodes."""
    UPDATING = "updating"
    """Computing an update."""
    PUBLISHING = "publishing"
    """Sending the adapters to the servers."""
    FINISHED = "finished"
    """All updates have been made and published, or the run was asked to end."""
    FAILED = "failed"
    """Stopped by an error; acknowledged episodes are kept."""
    UNKNOWN = "unknown"
    """Phase that only a newer version of the learner knows."""


@dataclass(frozen=True)
class LearnerStatus:
    """The learner's state at one moment."""

    run_id: str
    phase: Phase
    message: str
    """Phase in words, or the reason of a failure."""
    version: int
    """Version of the adapters that were published last; -1 before the first."""
    updates_done: int
    updates_total: int
    episodes_stored: int
    episodes_trained: int
    """Number of episodes that updates have used."""
    leases_open: int
    """Number of leases whose episodes have not arrived yet."""
    progress: float
    """Share of the phase that is done, in [0, 1]."""
    metrics: Mapping[str, float]
    """Metrics of the last update by name; empty before the first."""
