"""Which task an episode plays: a pure function of the split's tasks and the lease's task seed.

A task seed holds the run's seed and the group's place in the run. Each pass over a split is a permutation of
its own that covers every task once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from environments.benchmark import Task
from serving.errors import InvalidInputError
from trajectory.seeds import seed_and_place


def task_for(tasks: Sequence[Task], seed: int) -> Task:
    """The task that a lease with this task seed (unsigned, 64 bits) plays.

    Raises:
        InvalidInputError: there are no tasks.
    """
    if not tasks:
        raise InvalidInputError("there are no tasks to play; --environment.generator.games makes some")
    order_seed, group = seed_and_place(seed)
    passes, place = divmod(group, len(tasks))
    order = np.random.Generator(np.random.PCG64([order_seed, passes])).permutation(len(tasks))
    return tasks[int(order[place])]
