"""All orchestrators of a run play the same tasks, each at its place in the order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import PreconditionError
from learner.service.tasks import RunTasks
from play.schedule import index_for
from tests.learner.service.runs import SCHEDULE
from trajectory.lease import TaskList, TaskPart

LONG = replace(SCHEDULE, updates=5, episodes_per_update=4, group_size=2)
THREE = TaskList(3, b"digest of three")


def task(group: int, count: int = 3) -> str:
    return f"task {index_for(count, LONG.task_seed, group)}"


def test_another_list_of_tasks_is_refused_by_name() -> None:
    tasks = RunTasks(LONG, {})
    tasks.check_list(THREE, "host:1")
    tasks.check_list(THREE, "host:2")
    for other in (replace(THREE, count=4), replace(THREE, sha256=b"another digest")):
        with pytest.raises(
            PreconditionError, match=rf"host:3 plays {other.count} tasks .*; host:1 plays 3 tasks"
        ):
            tasks.check_list(other, "host:3")


def test_a_group_plays_one_task() -> None:
    tasks = RunTasks(LONG, {})
    tasks.take(0, 0, "a")
    tasks.take(1, 0, "a")
    with pytest.raises(PreconditionError, match="episode 1: key.task_id is b; group 0 plays a"):
        tasks.take(1, 0, "b")


def test_the_same_place_of_another_pass_has_the_same_task() -> None:
    tasks = RunTasks(LONG, {})
    tasks.check_list(THREE, "host:1")
    for group in range(6):
        tasks.take(2 * group, group, task(group))
    with pytest.raises(PreconditionError, match=r"key.task_id is other; task \d of the run's list is task"):
        tasks.take(12, 6, "other")
    tasks.take(12, 6, task(6))


def test_the_tasks_of_a_mix_are_checked_in_its_own_order() -> None:
    mix = TaskList(5, b"digest of five", (TaskPart(3, 1), TaskPart(2, 1)))
    tasks = RunTasks(LONG, {})
    tasks.check_list(mix, "host:1")
    with pytest.raises(PreconditionError, match="host:2 plays 5 tasks"):
        tasks.check_list(replace(mix, parts=()), "host:2")
    played = [index_for(5, LONG.task_seed, group, mix.parts) for group in range(10)]
    for group, index in enumerate(played[:9]):
        tasks.take(2 * group, group, f"task {index}")
    with pytest.raises(PreconditionError, match=f"task {played[9]} of the run's list is task {played[9]}"):
        tasks.take(18, 9, "other")


def test_the_tasks_of_stored_episodes_count_after_a_restart() -> None:
    stored = {0: task(0), 1: task(0), 4: task(2)}
    tasks = RunTasks(LONG, stored)
    with pytest.raises(PreconditionError, match="group 0 plays"):
        tasks.take(1, 0, "other")
    tasks.check_list(THREE, "host:1")
    again = next(group for group in range(3, 6) if task(group) == task(0))
    with pytest.raises(PreconditionError, match="of the run's list is"):
        tasks.take(2 * again, again, "other")
    tasks.take(2 * again, again, task(0))
