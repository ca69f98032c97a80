"""Leases of an evaluation: every task as often as asked, each episode with a seed of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.seeds import derive
from environments.benchmark import Task
from environments.errors import BrokenEnvironmentError
from play.every_task import EveryTask
from play.schedule import task_for
from trajectory.episode import Episode, EpisodeKey
from trajectory.lease import Finished, Lease

EPISODE = Episode(
    key=EpisodeKey("evaluation", "task-0", 0, 0),
    number=0,
    group=0,
    lease_id="evaluation.0",
    benchmark="alfworld",
    task_type="pick",
    goal="goal",
    turns=(),
    terminated=True,
    truncated=False,
    won=True,
    score=1.0,
    final_observation="",
    final_planner_prompt_ids=(),
    final_executor_prompt_ids=(),
    seconds=1.0,
)
TASKS = tuple(Task(f"task-{number}", "pick", "valid") for number in range(5))


def leases(
    samples: int, seed: int, played: Collection[tuple[str, int]] = (), tasks: tuple[Task, ...] = TASKS
) -> dict[tuple[str, int], Lease]:
    """All leases by task and sample, in the order that they were granted."""

    async def work() -> dict[tuple[str, int], Lease]:
        source = EveryTask(tasks, samples, seed, lambda *_: None, played)
        found = {}
        while isinstance(lease := await source.lease(), Lease):
            found[task_for(tasks, lease.task_seed, lease.group).id, lease.number // len(tasks)] = lease
        assert isinstance(await source.lease(), Finished), "it stays finished"
        return found

    return asyncio.run(work())


@settings(deadline=None, max_examples=40)
@given(samples=st.integers(0, 3), seed=st.integers(0, 2**63), data=st.data())
def test_what_is_left_has_the_leases_that_it_would_have_had(
    samples: int, seed: int, data: st.DataObject
) -> None:
    whole = leases(samples, seed)
    assert set(whole) == {(task.id, sample) for task in TASKS for sample in range(samples)}
    played = data.draw(st.sets(st.sampled_from(sorted(whole)))) if whole else set()
    rest = leases(samples, seed, played)
    assert rest == {key: lease for key, lease in whole.items() if key not in played}
    assert list(rest) == [key for key in whole if key not in played]


def test_a_seed_follows_from_task_and_sample_whatever_else_is_played() -> None:
    whole, fewer = leases(2, 3), leases(2, 3, tasks=TASKS[1:3])
    for (task, sample), lease in fewer.items():
        assert lease.seed == whole[task, sample].seed == derive(3, "evaluation", task, sample)


def test_a_lease_is_of_no_run_and_no_version_of_one() -> None:
    (lease,) = leases(1, 9, tasks=TASKS[:1]).values()
    assert lease == Lease(
        lease_id="evaluation.0",
        run_id="evaluation",
        number=0,
        group=0,
        attempt=0,
        task_seed=9,
        seed=derive(9, "evaluation", "task-0", 0),
        version=0,
    )


def test_an_episode_is_kept_with_the_sample_that_its_place_says() -> None:
    kept: list[tuple[int, int]] = []
    source = EveryTask(TASKS, 3, 0, lambda episode, sample: kept.append((episode.number, sample)))
    for number in (0, 4, 5, 14):
        assert asyncio.run(source.submit(replace(EPISODE, number=number))) is False
    assert kept == [(0, 0), (4, 0), (5, 1), (14, 2)]


def test_tasks_of_an_earlier_evaluation_that_are_not_played_now_do_not_matter() -> None:
    assert leases(1, 3, {("elsewhere", 0), ("task-0", 7)}) == leases(1, 3)


def test_an_episode_whose_environment_broke_is_handed_on_or_an_error() -> None:
    broken: list[tuple[int, str]] = []

    async def first(source: EveryTask) -> None:
        lease = await source.lease()
        assert isinstance(lease, Lease)
        await source.set_aside(lease, "turn 1: a bug")

    asyncio.run(first(EveryTask(TASKS, 1, 0, lambda *_: None, broken=lambda *one: broken.append(one))))
    assert broken == [(0, "turn 1: a bug")]
    with pytest.raises(BrokenEnvironmentError, match="turn 1: a bug"):
        asyncio.run(first(EveryTask(TASKS, 1, 0, lambda *_: None)))
