"""Which task an episode plays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.environment import EnvironmentSettings, GeneratorSettings
from core.errors import InvalidInputError
from environments.benchmark import Task
from environments.registry import load
from play.schedule import identity, index_for, parts_of, task_for
from trajectory.lease import TaskPart


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


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 4)), min_size=2, max_size=4),
    st.integers(0, 2**63 - 1),
    st.integers(0, 6),
)
def test_each_round_keeps_the_shares_and_each_environment_is_played_in_passes(
    sizes: list[tuple[int, int]], task_seed: int, first_round: int
) -> None:
    parts = [TaskPart(count, share) for count, share in sizes]
    count, whole = sum(part.count for part in parts), sum(part.share for part in parts)
    part_of = [number for number, part in enumerate(parts) for _ in range(part.count)]

    def played(groups: range) -> list[int]:
        return [index_for(count, task_seed, group, parts) for group in groups]

    one_round = [part_of[index] for index in played(range(first_round * whole, (first_round + 1) * whole))]
    assert [one_round.count(number) for number in range(len(parts))] == [part.share for part in parts]
    indices = played(range(2 * whole * max(part.count for part in parts)))
    for number, part in enumerate(parts):
        own = [index for index in indices if part_of[index] == number]
        for begin in range(0, len(own) - part.count + 1, part.count):
            assert len(set(own[begin : begin + part.count])) == part.count


def test_the_parts_of_a_mix_are_those_of_its_tasks_and_belong_to_the_identity_of_the_list() -> None:
    mixed = load(
        EnvironmentSettings(
            mix=("webshop=1", "alfworld=3"),
            source="generated",
            generator=GeneratorSettings(games=6, products=20),
        )
    )
    listed = mixed.tasks("train")
    parts = parts_of(mixed, listed)
    assert [part.share for part in parts] == [3, 1], "in the order of the tasks"
    chosen = [task_for(listed, 5, group, parts) for group in range(8)]
    assert [task.id.split("/")[0] for task in chosen].count("webshop") == 2
    assert identity(listed, parts) != identity(listed)
    with pytest.raises(InvalidInputError, match="webshop: there are no tasks in this split"):
        parts_of(mixed, mixed.tasks("valid_seen"))


def test_no_tasks() -> None:
    with pytest.raises(InvalidInputError, match="no tasks"):
        task_for((), 0, 0)
