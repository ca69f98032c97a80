"""Leases for an evaluation: every task of a list so many times, each episode with a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from core.seeds import derive
from environments.benchmark import Task
from play.schedule import task_for
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, Wait


class EveryTask:
    """Implements `Episodes`: leases every task `samples` times, but for what was played already."""

    def __init__(
        self,
        tasks: Sequence[Task],
        samples: int,
        seed: int,
        keep: Callable[[Episode, int], None],
        played: Collection[tuple[str, int]] = (),
    ) -> None:
        """
        Args:
            tasks: The tasks, in the order that `Dispatcher` is given.
            samples: Episodes of each task.
            seed: Seed of the order of playing and of the episodes' seeds.
            keep: Is told of each episode and its sample, 0 for the first of its task.
            played: Task id and sample of the episodes that are not played again.
        """
        self._tasks, self._samples, self._seed, self._keep = tasks, samples, seed, keep
        self._places = self._places_left(frozenset(played))

    async def lease(self) -> Lease | Wait | Finished:
        return next(self._places, Finished())

    async def submit(self, episode: Episode) -> bool:
        self._keep(episode, episode.number // len(self._tasks))
        return False

    def _places_left(self, played: Collection[tuple[str, int]]) -> Iterator[Lease]:
        for place in range(self._samples * len(self._tasks)):
            task, sample = task_for(self._tasks, self._seed, place), place // len(self._tasks)
            if (task.id, sample) not in played:
                yield self._lease(place, task, sample)

    def _lease(self, place: int, task: Task, sample: int) -> Lease:
        """Its seed follows from task and sample alone, whatever else is played."""
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
