"""Chooses the task of an episode: a pure function of the split's tasks and of the lease.

A run plays a split in passes. Each pass plays every task once, in a random order of its own. The tasks of
several environments are played in rounds: a round has as many groups of each environment as its share says,
in a random order, and the tasks of each environment are played in passes of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from core.errors import InvalidInputError
from core.seeds import derive
from environments.benchmark import Benchmark, Mixture, Task
from trajectory.lease import TaskList, TaskPart


def task_for(tasks: Sequence[Task], task_seed: int, group: int, parts: Sequence[TaskPart] = ()) -> Task:
    """The task of a group of episodes.

    Args:
        tasks: All tasks of the split, in sorted order.
        task_seed: Seed of the order, at least 0.
        group: Number of the group in the run, from 0; with T tasks, group T is the first of the second pass.
        parts: Parts of the tasks, if they are those of several environments.

    Raises:
        InvalidInputError: there are no tasks.
    """
    if not tasks:
        raise InvalidInputError("there are no tasks to play; --environment.generator.games makes some")
    return tasks[index_for(len(tasks), task_seed, group, parts)]


def index_for(count: int, task_seed: int, group: int, parts: Sequence[TaskPart] = ()) -> int:
    """Index of a group's task in the list of `count` tasks; see `task_for`."""
    if not parts:
        return _in_passes(count, task_seed, group)
    shares = [part.share for part in parts]
    rounds, place = divmod(group, sum(shares))
    generator = np.random.Generator(np.random.PCG64([derive(task_seed, "mix"), rounds]))
    order = generator.permutation(np.repeat(np.arange(len(parts)), shares))
    chosen = int(order[place])
    earlier = rounds * shares[chosen] + int(np.count_nonzero(order[:place] == chosen))
    first = list(accumulate((part.count for part in parts), initial=0))[chosen]
    return first + _in_passes(parts[chosen].count, derive(task_seed, "mix", chosen), earlier)


def _in_passes(count: int, seed: int, group: int) -> int:
    passes, place = divmod(group, count)
    order = np.random.Generator(np.random.PCG64([seed, passes])).permutation(count)
    return int(order[place])


def parts_of(benchmark: Benchmark, tasks: Sequence[Task]) -> tuple[TaskPart, ...]:
    """The parts of a benchmark's tasks, in their order; empty if it is a single environment.

    Raises:
        InvalidInputError: an environment of a mix has none of these tasks.
    """
    if not isinstance(benchmark, Mixture):
        return ()
    counts: dict[str, int] = {}
    for task in tasks:
        name, _ = benchmark.part_of(task.id)
        counts[name] = counts.get(name, 0) + 1
    if missing := benchmark.shares.keys() - counts.keys():
        raise InvalidInputError(f"{', '.join(sorted(missing))}: there are no tasks in this split to play")
    return tuple(TaskPart(count, benchmark.shares[name]) for name, count in counts.items())


def identity(tasks: Sequence[Task], parts: Sequence[TaskPart] = ()) -> TaskList:
    """What tells a list of tasks from another."""
    digest = hashlib.sha256()
    for task in tasks:
        # With their lengths, so that no two lists give the same bytes.
        digest.update(len(task.id.encode()).to_bytes(8, "big") + task.id.encode())
    return TaskList(len(tasks), digest.digest(), tuple(parts))
