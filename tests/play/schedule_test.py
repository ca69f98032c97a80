"""Which task an episode plays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInputError
from environments.benchmark import Task
from play.schedule import task_for


def tasks(count: int) -> tuple[Task, ...]:
    return tuple(Task(f"task-{number:03}", "pick", "train") for number in range(count))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_each_pass_covers_every_task_once(count: int, task_seed: int, passed: int) -> None:
    groups = range(passed * count, (passed + 1) * count)
    played = [task_for(tasks(count), task_seed, group) for group in groups]
    assert sorted(played) == list(tasks(count))


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    orders = [
        tuple(task_for(tasks(30), seed, group).id for group in range(first, first + 30))
        for seed, first in ((0, 0), (0, 30), (1, 0))
    ]
    assert len(set(orders)) == 3


def test_the_choice_is_the_same_on_every_machine() -> None:
    chosen = [task_for(tasks(10), 5, group).id for group in range(3)]
    assert chosen == ["task-007", "task-006", "task-001"]


def test_no_tasks() -> None:
    with pytest.raises(InvalidInputError, match="no tasks"):
        task_for((), 0, 0)
