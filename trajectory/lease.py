"""The learner's answers to a request for work: an episode to play, a pause, or the end of the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    """Permission to play the episode at one position of a run."""

    lease_id: str
    run_id: str
    number: int
    """Position in the run, from 0."""
    group: int
    """Group of the episode; all episodes of a group play the same task."""
    attempt: int
    """Number of earlier leases for the same position."""
    task_seed: int
    """Seed of the order in which the run's groups go through the tasks."""
    seed: int
    """Seed of everything drawn at random in the episode."""
    version: int
    """Adapter version that both model servers had reached when the lease was granted."""


@dataclass(frozen=True)
class Wait:
    """No episode can be played now; ask again later."""

    reason: str
    seconds: float
    """Pause before the next request."""


@dataclass(frozen=True)
class Finished:
    """All episodes of the run have been played."""
