"""What the learner's services answer, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiper.v1 import episode_pb2, learner_pb2

from learner.service.servicer import EpisodeServicer, LearnerServicer
from tests.learner.service.runs import open_run, played_episode
from trajectory.learner_wire import lease_outcome_from_pb
from trajectory.lease import Lease

CONTEXT: Any = None
"""Unused by the servicers: errors are mapped to status codes outside."""


def test_a_renewal_says_how_many_episodes_each_server_plays(tmp_path: Path) -> None:
    reports: dict[str, Mapping[str, int]] = {}
    episodes = EpisodeServicer(open_run(tmp_path).admission, reports.__setitem__)
    loads = [episode_pb2.ReplicaLoad(address="host:1", episodes=3)]
    for request in (
        episode_pb2.RenewRequest(run_id="run", holder="a", loads=loads),
        episode_pb2.RenewRequest(run_id="run", holder="b"),
    ):
        asyncio.run(episodes.Renew(request, CONTEXT))
    assert reports == {"a": {"host:1": 3}, "b": {}}


def test_an_episode_is_leased_handed_in_counted_and_the_run_stopped(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    episodes = EpisodeServicer(run.admission)
    learner = LearnerServicer(run.status, run.admission)

    async def lease() -> episode_pb2.LeaseResponse:
        return await episodes.Lease(episode_pb2.LeaseRequest(run_id="run", holder="host:1"), CONTEXT)

    async def talk() -> None:
        assert (await lease()).wait.reason == "the learner is starting: loading the model"
        training = asyncio.create_task(run.loop.run())
        while (given := await lease()).WhichOneof("outcome") == "wait":
            await asyncio.sleep(0)
        assert (given.lease.lease_id, given.lease.number) == ("0.0.0", 0)
        renewal = episode_pb2.RenewRequest(run_id="run", holder="host:1", lease_ids=["0.0.0", "7.0.0"])
        assert list((await episodes.Renew(renewal, CONTEXT)).lapsed_ids) == ["7.0.0"]
        lease_ = lease_outcome_from_pb(given)
        assert isinstance(lease_, Lease)
        submit = episode_pb2.SubmitRequest(episode=played_episode(run, lease_))
        assert [(await episodes.Submit(submit, CONTEXT)).duplicate for _ in range(2)] == [False, True]
        status = await learner.GetStatus(learner_pb2.GetStatusRequest(), CONTEXT)
        assert status.phase == learner_pb2.LEARNER_PHASE_GATHERING
        assert (status.run_id, status.version, status.episodes_stored, status.leases_open) == ("run", 0, 1, 0)
        await learner.Stop(learner_pb2.StopRequest(), CONTEXT)
        assert (await lease()).WhichOneof("outcome") == "finished"
        await training

    asyncio.run(talk())
