"""The learner's two services on the wire: messages in, calls of the run, messages out."""

from __future__ import annotations

import grpc
from hiper.v1 import episode_pb2, episode_pb2_grpc, learner_pb2, learner_pb2_grpc

from learner.service.status import Phase
from learner.service.training_run import TrainingRun
from trajectory.lease import Finished, Lease, Wait

_PHASES = {
    Phase.STARTING: learner_pb2.LEARNER_PHASE_STARTING,
    Phase.GATHERING: learner_pb2.LEARNER_PHASE_GATHERING,
    Phase.UPDATING: learner_pb2.LEARNER_PHASE_UPDATING,
    Phase.PUBLISHING: learner_pb2.LEARNER_PHASE_PUBLISHING,
    Phase.FINISHED: learner_pb2.LEARNER_PHASE_FINISHED,
    Phase.FAILED: learner_pb2.LEARNER_PHASE_FAILED,
}


class EpisodeServicer(episode_pb2_grpc.EpisodeServiceServicer):
    """Leases and finished episodes."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    async def Lease(
        self, request: episode_pb2.LeaseRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.LeaseResponse:
        match self._run.lease(request.run_id):
            case Lease() as lease:
                return episode_pb2.LeaseResponse(lease=_lease_to_pb(lease))
            case Wait(reason, seconds):
                wait = episode_pb2.LeaseWait(retry_after_ms=round(1000 * seconds), reason=reason)
                return episode_pb2.LeaseResponse(wait=wait)
            case Finished():
                return episode_pb2.LeaseResponse(finished=episode_pb2.RunFinished())

    async def Submit(
        self, request: episode_pb2.SubmitRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.SubmitResponse:
        stored = await self._run.submit(request.episode)
        return episode_pb2.SubmitResponse(duplicate=not stored)


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    """For whoever watches over the run."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    async def GetStatus(
        self, request: learner_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.LearnerStatus:
        run, status = self._run, self._run.status
        updates = max(status.version, 0)
        return learner_pb2.LearnerStatus(
            run_id=run.run_id,
            phase=_PHASES[status.phase],
            message=status.message,
            version=status.version,
            updates_done=updates,
            updates_total=run.schedule.updates,
            episodes_stored=run.episodes_stored,
            episodes_trained=updates * run.schedule.episodes_per_update,
            leases_open=run.open_leases,
            progress=status.progress,
            metrics=status.metrics,
        )

    async def Stop(
        self, request: learner_pb2.StopRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.StopResponse:
        self._run.stop()
        return learner_pb2.StopResponse()


def _lease_to_pb(lease: Lease) -> episode_pb2.EpisodeLease:
    return episode_pb2.EpisodeLease(
        lease_id=lease.lease_id,
        run_id=lease.run_id,
        number=lease.number,
        group=lease.group,
        attempt=lease.attempt,
        task_seed=lease.task_seed,
        seed=lease.seed,
        version=lease.version,
    )
