"""What the learner's services answer, message by message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hiper.v1 import episode_pb2, learner_pb2

from learner.service.servicer import EpisodeServicer, LearnerServicer
from tests.learner.service.episodes import episode
from tests.learner.service.runs import open_run

CONTEXT: Any = None
"""Unused by the servicers: errors are mapped to status codes outside."""


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
        assert (given.lease.lease_id, given.lease.number) == ("0.0", 0)
        submit = episode_pb2.SubmitRequest(episode=episode(0))
        assert [(await episodes.Submit(submit, CONTEXT)).duplicate for _ in range(2)] == [False, True]
        status = await learner.GetStatus(learner_pb2.GetStatusRequest(), CONTEXT)
        assert status.phase == learner_pb2.LEARNER_PHASE_GATHERING
        assert (status.run_id, status.version, status.episodes_stored, status.leases_open) == ("run", 0, 1, 0)
        await learner.Stop(learner_pb2.StopRequest(), CONTEXT)
        assert (await lease()).WhichOneof("outcome") == "finished"
        await training

    asyncio.run(talk())
