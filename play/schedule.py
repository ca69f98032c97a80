"""Chooses the task of an episode: a pure function of the split's tasks and of the lease.

A run plays a split in passes. Each pass plays every task once, in a random order of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from core.errors import InvalidInputError
from environments.benchmark import Task
from trajectory.lease import TaskList


def task_for(tasks: Sequence[Task], task_seed: int, group: int) -> Task:
    """The task of a group of episodes.

    Args:
        tasks: All tasks of the split, in sorted order.
        task_seed: Seed of the order, at least 0.
        group: Number of the group in the run, from 0; with T tasks, group T is the first of the second pass.

    Raises:
        InvalidInputError: there are no tasks.
    """
    if not tasks:
        raise InvalidInputError("there are no tasks to play; --environment.generator.games makes some")
    return tasks[index_for(len(tasks), task_seed, group)]


def index_for(count: int, task_seed: int, group: int) -> int:
    """Index of a group's task in the list of `count` tasks; see `task_for`."""
    passes, place = divmod(group, count)
    order = np.random.Generator(np.random.PCG64([task_seed, passes])).permutation(count)
    return int(order[place])


def identity(tasks: Sequence[Task]) -> TaskList:
    """What tells a list of tasks from another."""
    digest = hashlib.sha256()
    for task in tasks:
        # With their lengths, so that no two lists give the same bytes.
        digest.update(len(task.id.encode()).to_bytes(8, "big") + task.id.encode())
    return TaskList(len(tasks), digest.digest())
