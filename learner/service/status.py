"""What a run of the learner is doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What the learner is doing."""

    STARTING = "starting"
    """Loads the model, warms up or restores, publishes; no leases yet."""
    GATHERING = "gathering"
    """Leases are open and episodes come in."""
    UPDATING = "updating"
    """An update is being computed."""
    PUBLISHING = "publishing"
    """Adapters are on their way to the servers."""
    FINISHED = "finished"
    """All updates are made and published."""
    FAILED = "failed"
    """Stopped by an error; what was acknowledged is kept."""


@dataclass(frozen=True)
class Status:
    """What a person watching the run wants to know."""

    phase: Phase
    message: str
    progress: float
    version: int
    """Published last; -1 before the first."""
    metrics: dict[str, float]
    """Of the last update; empty before it."""
