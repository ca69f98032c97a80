"""What the learner answers to a request for work: an episode to play, a pause, or the end of the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    """Permission to play the episode at one place of a run."""

    lease_id: str
    run_id: str
    number: int
    """Place in the run, from 0."""
    group: int
    """Episodes of one group play the same task."""
    attempt: int
    """Earlier leases of the same place."""
    task_seed: int
    """Seed of the run's order of tasks, in which the group has its place."""
    seed: int
    """Seed of everything drawn in the episode."""
    version: int
    """Adapter version that both model servers had at least when the lease was granted."""


@dataclass(frozen=True)
class Wait:
    """No episode now."""

    reason: str
    seconds: float
    """Pause before the next request."""


@dataclass(frozen=True)
class Finished:
    """All episodes of the run have been played."""
