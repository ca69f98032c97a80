"""Who may play, and which episodes are taken, by phase of the learner and content of the episode."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import InvalidInputError, PreconditionError, UnavailableError
from learner.service.admission import Admission
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from tests.learner.service.episodes import episode
from tests.learner.service.runs import SCHEDULE
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease, Wait


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


def opened(root: Path, status: StatusBoard) -> Admission:
    return Admission(SCHEDULE, EpisodeStore(RunFolder(root).episodes, "run"), status, 1000, lambda: 0.0)


def test_an_episode_is_refused_by_run_place_and_content_and_acknowledged_once(
    admission: Admission, status: StatusBoard
) -> None:
    async def submissions() -> None:
        assert await admission.submit(episode(0))
        assert not await admission.submit(episode(0))
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
    assert isinstance(admission.lease("run"), Lease) and isinstance(admission.lease(""), Lease)
    assert (status.now.episodes_stored, status.now.leases_open) == (0, 2)
    asyncio.run(admission.submit(episode(0)))
    assert (status.now.episodes_stored, status.now.leases_open) == (1, 1)


def test_what_was_stored_before_is_not_leased_again(tmp_path: Path, status: StatusBoard) -> None:
    asyncio.run(opened(tmp_path, status).submit(episode(0)))
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
        await admission.submit(episode(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        await admission.submit(episode(1))
        assert await waiting
        admission.advance(1)
        waiting = asyncio.create_task(admission.whole_batch())
        await asyncio.sleep(0)
        admission.stop()
        assert not await waiting

    asyncio.run(waited())
    assert admission.lease("run") == Finished()


def test_token_ids_that_the_model_does_not_have_are_refused(tmp_path: Path, status: StatusBoard) -> None:
    store = EpisodeStore(RunFolder(tmp_path).episodes, "run")
    admission = Admission(SCHEDULE, store, status, vocabulary=3, clock=lambda: 0.0)
    with pytest.raises(InvalidInputError, match="episode 0: turn 0: plan"):
        asyncio.run(admission.submit(episode(0)))
    assert status.now.episodes_stored == 0
