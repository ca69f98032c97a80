"""Who may play, and which episodes are taken, by phase of the learner and content of the episode."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError, LapsedError, PreconditionError, UnavailableError
from core.role import Role
from learner.service.admission import Admission
from learner.service.published import PublishedAdapters
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from tests.learner.service.episodes import HASHES, as_leased, episode
from tests.learner.service.runs import SCHEDULE
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease, TaskList, Wait


@pytest.fixture
def status() -> StatusBoard:
    """A learner that gathers the first batch."""
    status = StatusBoard("run", SCHEDULE)
    status.published(0)
    status.show(Phase.GATHERING, "gathering")
    return status


@pytest.fixture
def admission(tmp_path: Path, status: StatusBoard) -> Admission:
    return opened(tmp_path, status)


def opened(root: Path, status: StatusBoard, vocabulary: int = 1000) -> Admission:
    store = EpisodeStore(RunFolder(root).episodes, "run")
    return Admission(SCHEDULE, store, status, vocabulary, lambda: 0.0, published())


def published(newest: int = 0, epoch: int = 0) -> PublishedAdapters:
    adapters = PublishedAdapters(epoch)
    for version in range(newest + 1):
        adapters.add(version, HASHES)
    return adapters


def leased(admission: Admission) -> Lease:
    lease = admission.lease("run")
    assert isinstance(lease, Lease)
    return lease


def test_an_episode_is_refused_by_run_place_and_content_and_acknowledged_once(
    admission: Admission, status: StatusBoard
) -> None:
    async def submissions() -> None:
        first = as_leased(leased(admission))
        assert await admission.submit(first)
        assert not await admission.submit(first)
        with pytest.raises(PreconditionError, match="not other"):
            await admission.submit(episode(1, run_id="other"))
        with pytest.raises(InvalidInputError, match="has 4 episodes"):
            await admission.submit(episode(4))
        broken = episode(1)
        del broken.turns[1]
        with pytest.raises(InvalidInputError, match="episode 1: turn 1 is missing"):
            await admission.submit(broken)

    asyncio.run(submissions())
    assert status.now.episodes_stored == 1


def test_leases_and_episodes_are_counted_where_a_watcher_looks(
    admission: Admission, status: StatusBoard
) -> None:
    lease = leased(admission)
    assert isinstance(admission.lease(""), Lease)
    assert (status.now.episodes_stored, status.now.leases_open) == (0, 2)
    asyncio.run(admission.submit(as_leased(lease)))
    assert (status.now.episodes_stored, status.now.leases_open) == (1, 1)


def test_what_was_stored_before_is_not_leased_again(tmp_path: Path, status: StatusBoard) -> None:
    before = opened(tmp_path, status)
    asyncio.run(before.submit(as_leased(leased(before))))
    again = StatusBoard("run", SCHEDULE)
    admission = opened(tmp_path, again)
    assert again.now.episodes_stored == 1
    again.published(0)
    again.show(Phase.GATHERING, "gathering")
    lease = admission.lease("run")
    assert isinstance(lease, Lease) and lease.number == 1


def test_there_are_leases_once_both_servers_have_the_adapters(tmp_path: Path) -> None:
    status = StatusBoard("run", SCHEDULE)
    admission = opened(tmp_path, status)
    assert admission.lease("run") == Wait("the learner is starting: loading the model", 0.2)
    status.show(Phase.PUBLISHING, "version 0 goes to the servers")
    assert isinstance(admission.lease("run"), Wait)
    status.published(0)
    assert isinstance(admission.lease("run"), Lease)


def test_another_run_a_failed_and_a_finished_learner_give_no_lease(
    admission: Admission, status: StatusBoard
) -> None:
    with pytest.raises(PreconditionError, match="has run run, not other"):
        admission.lease("other")
    status.show(Phase.FINISHED, "2 of 2 updates made")
    assert admission.lease("run") == Finished()
    status.show(Phase.FAILED, "the disk is full")
    with pytest.raises(UnavailableError, match="the learner has failed: the disk is full"):
        admission.lease("run")


def test_a_batch_is_waited_for_until_it_is_whole_or_the_run_is_to_stop(admission: Admission) -> None:
    async def waited() -> None:
        waiting = asyncio.create_task(admission.whole_batch())
        await admission.submit(as_leased(leased(admission)))
        await asyncio.sleep(0)
        assert not waiting.done()
        await admission.submit(as_leased(leased(admission)))
        assert await waiting
        admission.advance(1)
        waiting = asyncio.create_task(admission.whole_batch())
        await asyncio.sleep(0)
        admission.stop()
        assert not await waiting

    asyncio.run(waited())
    assert admission.lease("run") == Finished()


def test_a_place_whose_environment_broke_is_on_disk_once_and_the_batch_is_whole_without_it(
    tmp_path: Path, admission: Admission, status: StatusBoard
) -> None:
    async def work() -> None:
        broken, other = leased(admission), leased(admission)
        with pytest.raises(PreconditionError, match="not other"):
            await admission.set_aside("other", broken.lease_id, "turn 1: a bug")
        with pytest.raises(InvalidInputError, match="reason: must not be empty"):
            await admission.set_aside("run", broken.lease_id, " ")
        with pytest.raises(LapsedError, match="lease 0.9.0 is not open"):
            await admission.set_aside("run", "0.9.0", "turn 1: a bug")
        for _ in range(2):  # as if the first answer had been lost
            await admission.set_aside("run", broken.lease_id, "turn 1: a bug")
        assert (status.now.episodes_stored, status.now.leases_open) == (0, 1)
        with pytest.raises(LapsedError):
            await admission.submit(as_leased(broken))
        await admission.submit(as_leased(other))
        assert await admission.whole_batch()

    asyncio.run(work())
    store = EpisodeStore.reading(RunFolder(tmp_path).episodes)
    assert (store.those_set_aside(), store.numbers()) == ({0: "turn 1: a bug"}, {1})


def test_token_ids_that_the_model_does_not_have_are_refused(tmp_path: Path, status: StatusBoard) -> None:
    admission = opened(tmp_path, status, vocabulary=3)
    with pytest.raises(InvalidInputError, match="episode 0: turn 0: plan"):
        asyncio.run(admission.submit(episode(0)))
    assert status.now.episodes_stored == 0


def _changed(part: Callable[[pb.Episode], Any], **changes: Any) -> Callable[[pb.Episode], None]:
    """Changes fields of one part of an episode."""

    def change(played: pb.Episode) -> None:
        for name, value in changes.items():
            setattr(part(played), name, value)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_changed(lambda e: e, group=3), "episode 0: group is 3; lease 0.0.0 has 0"),
        (_changed(lambda e: e.key, attempt=1), "key.attempt is 1; lease 0.0.0 has 0"),
        (_changed(lambda e: e.key, seed=1), "key.seed is 1; lease"),
        (
            _changed(lambda e: e.turns[1].plan, adapter_version=-1),
            r"turn 1: plan: adapter_version is -1; .* 0 to 0",
        ),
        (
            _changed(lambda e: e.turns[2].act, adapter_version=1),
            "turn 2: act: adapter_version is 1; lease 0.0.0",
        ),
        (
            _changed(lambda e: e.turns[0].act, adapter_epoch=1),
            "turn 0: act: adapter_epoch is 1; the run is in epoch 0",
        ),
        (
            _changed(lambda e: e.turns[0].act, adapter_sha256=b""),
            "turn 0: act: adapter_sha256 is empty; version 0",
        ),
        (
            _changed(lambda e: e.turns[2].plan, adapter_sha256=bytes.fromhex(HASHES[Role.EXECUTOR])),
            "turn 2: plan: adapter_sha256 is 0202020202020202; version 0 of the planner has another hash",
        ),
    ],
)
def test_an_episode_that_was_not_played_as_leased_is_refused_by_name_and_its_place_leased_again(
    admission: Admission, status: StatusBoard, change: Callable[[pb.Episode], None], message: str
) -> None:
    played = as_leased(leased(admission))
    change(played)
    with pytest.raises(PreconditionError, match=message):
        asyncio.run(admission.submit(played))
    assert status.now.episodes_stored == 0
    again = leased(admission)
    assert (again.number, again.attempt) == (0, 1)
    assert asyncio.run(admission.submit(as_leased(again)))


def test_an_episode_that_was_never_leased_or_whose_lease_was_given_to_another_is_refused(
    tmp_path: Path, status: StatusBoard
) -> None:
    now = [0.0]
    store = EpisodeStore(RunFolder(tmp_path).episodes, "run")
    admission = Admission(SCHEDULE, store, status, 1000, lambda: now[0], published())
    with pytest.raises(LapsedError, match=r"episode 0: lease 0.0 is not open; the place is not leased"):
        asyncio.run(admission.submit(episode(0)))
    first = leased(admission)
    now[0] = SCHEDULE.lease_seconds
    second = leased(admission)
    assert admission.renew("run", [first.lease_id, second.lease_id]) == (first.lease_id,)
    with pytest.raises(LapsedError, match=r"lease 0.0.0 is not open; lease 0.0.1 is"):
        asyncio.run(admission.submit(as_leased(first)))
    assert status.now.episodes_stored == 0
    assert asyncio.run(admission.submit(as_leased(second)))


def test_leases_of_an_epoch_before_have_lapsed(tmp_path: Path, status: StatusBoard) -> None:
    before = leased(opened(tmp_path, status))
    store = EpisodeStore(RunFolder(tmp_path).episodes, "run")
    admission = Admission(SCHEDULE, store, status, 1000, lambda: 0.0, published(epoch=1))
    now = leased(admission)
    assert (now.number, now.attempt, now.epoch) == (before.number, before.attempt, 1)
    assert admission.renew("run", [before.lease_id, now.lease_id]) == (before.lease_id,)
    with pytest.raises(LapsedError, match="lease 0.0.0 is not open; lease 1.0.0 is"):
        asyncio.run(admission.submit(as_leased(before)))
    assert asyncio.run(admission.submit(as_leased(now)))


def test_answers_of_later_versions_are_taken_within_the_lag(tmp_path: Path, status: StatusBoard) -> None:
    store = EpisodeStore(RunFolder(tmp_path).episodes, "run")
    adapters = published()
    admission = Admission(SCHEDULE, store, status, 1000, lambda: 0.0, adapters)
    played = as_leased(leased(admission))
    # The server has it already, although the other role's is still on its way.
    adapters.add(1, HASHES)
    played.turns[2].act.adapter_version = 1
    assert asyncio.run(admission.submit(played))


def test_a_cancelled_submission_is_both_on_disk_and_counted(
    admission: Admission, status: StatusBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, stored, add = threading.Event(), threading.Event(), EpisodeStore.add

    def slow(store: EpisodeStore, played: pb.Episode) -> bool:
        storing.set()
        stored.wait(20)
        return add(store, played)

    monkeypatch.setattr(EpisodeStore, "add", slow)

    async def cancelled() -> None:
        played = as_leased(leased(admission))
        submission = asyncio.create_task(admission.submit(played))
        await asyncio.to_thread(storing.wait, 20)
        submission.cancel()
        await asyncio.wait([submission])
        assert submission.cancelled()
        stored.set()
        async with asyncio.timeout(20):
            while status.now.episodes_stored == 0:
                await asyncio.sleep(0.001)
        assert not await admission.submit(played)

    asyncio.run(cancelled())
    assert leased(admission).number == 1


def test_another_list_of_tasks_gets_no_lease_and_another_task_is_refused(
    tmp_path: Path, status: StatusBoard
) -> None:
    admission = opened(tmp_path, status)
    tasks = TaskList(4, b"digest")
    lease = admission.lease("run", "host:1", tasks)
    assert isinstance(lease, Lease)
    with pytest.raises(PreconditionError, match=r"host:2 plays 5 tasks .*; host:1 plays 4 tasks"):
        admission.lease("run", "host:2", TaskList(5, b"digest"))
    assert asyncio.run(admission.submit(as_leased(lease)))

    again = opened(tmp_path, status)
    second = again.lease("run", "host:1", replace(tasks, count=1))
    assert isinstance(second, Lease)
    played = as_leased(second)
    with pytest.raises(PreconditionError, match="key.task_id is task-.; task 0 of the run's list is task-0"):
        asyncio.run(again.submit(played))
    assert leased(again).number == second.number
