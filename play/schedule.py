"""Chooses the task of an episode: a pure function of the split's tasks and of the lease.

A run plays a split in passes. Each pass plays every task once, in a random order of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import InvalidInputError
from environments.benchmark import Task


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
    passes, place = divmod(group, len(tasks))
    order = np.random.Generator(np.random.PCG64([task_seed, passes])).permutation(len(tasks))
    return tasks[int(order[place])]
