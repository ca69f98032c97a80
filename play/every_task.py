"""Leases for an evaluation: each task is played a fixed number of times, each time with another seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from core.seeds import derive
from environments.benchmark import Task
from environments.errors import BrokenEnvironmentError
from play.schedule import task_for
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, Wait


def _refuse(number: int, reason: str) -> None:
    raise BrokenEnvironmentError(reason)


class EveryTask:
    """Implements `Episodes`: leases every task `samples` times, except for episodes in `played`."""

    def __init__(
        self,
        tasks: Sequence[Task],
        samples: int,
        seed: int,
        keep: Callable[[Episode, int], None],
        played: Collection[tuple[str, int]] = (),
        broken: Callable[[int, str], None] = _refuse,
    ) -> None:
        """
        Args:
            tasks: Tasks, in the same order as those of the `Dispatcher`.
            samples: Number of episodes of each task.
            seed: Seed of the order of playing and of the episodes' seeds.
            keep: Callback for each finished episode and its sample number, which counts from 0 for each task.
            played: Task ids and sample numbers of episodes that were played before.
            broken: Callback for the number of each episode whose environment broke its contract, and the
                reason; by default an error.
        """
        self._tasks, self._samples, self._seed, self._keep = tasks, samples, seed, keep
        self._broken = broken
        self._places = self._places_left(frozenset(played))

    async def lease(self) -> Lease | Wait | Finished:
        return next(self._places, Finished())

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        """None of these leases lapses."""
        return ()

    async def submit(self, episode: Episode) -> bool:
        self._keep(episode, episode.number // len(self._tasks))
        return False

    async def set_aside(self, lease: Lease, reason: str) -> None:
        self._broken(lease.number, reason)

    def _places_left(self, played: Collection[tuple[str, int]]) -> Iterator[Lease]:
        for place in range(self._samples * len(self._tasks)):
            task, sample = task_for(self._tasks, self._seed, place), place // len(self._tasks)
            if (task.id, sample) not in played:
                yield self._lease(place, task, sample)

    def _lease(self, place: int, task: Task, sample: int) -> Lease:
        """A lease whose episode seed depends on task and sample alone, whatever else is played."""
        return Lease(
            lease_id=f"evaluation.{place}",
            run_id="evaluation",
            number=place,
            group=place,
            attempt=0,
            task_seed=self._seed,
            seed=derive(self._seed, "evaluation", task.id, sample),
            version=0,
        )
