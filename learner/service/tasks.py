"""Checks that all orchestrators of a run play the same tasks, each at its place in the order."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import PreconditionError
from learner.service.gate import Schedule
from play.schedule import index_for
from trajectory.lease import TaskList


class RunTasks:
    """The tasks of a run as far as they are known. Called from one event loop."""

    def __init__(self, schedule: Schedule, stored: Mapping[int, str]) -> None:
        """`stored` has the task ids of the episodes that are stored, by place."""
        self._task_seed = schedule.task_seed
        self._of_group: dict[int, str] = {}
        self._of_index: dict[int, str] = {}
        self._list: TaskList | None = None
        self._first = ""
        for number, task_id in stored.items():
            self._of_group.setdefault(number // schedule.group_size, task_id)

    def check_list(self, tasks: TaskList, holder: str) -> None:
        """Checks an orchestrator's list of tasks; the first one is that of the run.

        Raises:
            PreconditionError: it is another list; names both orchestrators.
        """
        if self._list is None:
            self._list, self._first = tasks, holder
            for group, task_id in self._of_group.items():
                self._of_index.setdefault(
                    index_for(tasks.count, self._task_seed, group, tasks.parts), task_id
                )
        elif tasks != self._list:
            raise PreconditionError(
                f"{holder or 'this orchestrator'} plays {tasks}; {self._first or 'another'} plays "
                f"{self._list} in this run. All need the same data and the same environment settings"
            )

    def take(self, number: int, group: int, task_id: str) -> None:
        """Checks the task of an episode at this place, and notes it.

        Raises:
            PreconditionError: its group, or its place in the list of tasks, has another task.
        """
        if (known := self._of_group.get(group, task_id)) != task_id:
            raise PreconditionError(
                f"episode {number}: key.task_id is {task_id}; group {group} plays {known}"
            )
        if self._list is not None:
            index = index_for(self._list.count, self._task_seed, group, self._list.parts)
            if (known := self._of_index.get(index, task_id)) != task_id:
                raise PreconditionError(
                    f"episode {number}: key.task_id is {task_id}; task {index} of the run's list is {known}"
                )
            self._of_index[index] = task_id
        self._of_group[group] = task_id
