"""Which task an episode plays: a pure function of the split's tasks and what the lease says.

A run goes through a split in passes. Each pass has an order of its own and covers every task once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import InvalidInputError
from environments.benchmark import Task


def task_for(tasks: Sequence[Task], task_seed: int, group: int) -> Task:
    """The task of a group of episodes.

    Args:
        tasks: All of the split, in sorted order.
        task_seed: Of the order, not negative.
        group: Place in the order, from 0; goes on into the next pass.

    Raises:
        InvalidInputError: there are no tasks.
    """
    if not tasks:
        raise InvalidInputError("there are no tasks to play; --environment.generator.games makes some")
    passes, place = divmod(group, len(tasks))
    order = np.random.Generator(np.random.PCG64([task_seed, passes])).permutation(len(tasks))
    return tasks[int(order[place])]
