"""The learner's answers to a request for work: an episode to play, a pause, or the end of the run."""

from __future__ import annotations

from dataclasses import dataclass

from trajectory.fence import Fence


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
    epoch: int = 0
    """Number of times that the run's learner was started again."""
    seconds: float = 0.0
    """Time after which it lapses unless it is renewed; 0 if it does not lapse."""

    @property
    def fence(self) -> Fence:
        """The oldest adapter that may answer in the episode."""
        return Fence(self.run_id, self.epoch, self.version)


@dataclass(frozen=True)
class TaskPart:
    """The tasks of one of several environments, which follow one another in the list of tasks."""

    count: int
    """Number of these tasks."""
    share: int
    """Share of the groups that play them, relative to the other parts' shares."""


@dataclass(frozen=True)
class TaskList:
    """Identity of the list of tasks that an orchestrator plays."""

    count: int
    sha256: bytes
    """Hash of the task ids in their order."""
    parts: tuple[TaskPart, ...] = ()
    """Parts of the list, in its order, if it has the tasks of several environments."""

    def __str__(self) -> str:
        return f"{self.count} tasks ({self.sha256.hex()[:12]})"


@dataclass(frozen=True)
class Wait:
    """No episode can be played now; ask again later."""

    reason: str
    seconds: float
    """Pause before the next request."""


@dataclass(frozen=True)
class Finished:
    """All episodes of the run have been played."""
