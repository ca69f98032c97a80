"""The learner's two gRPC services: they convert messages, and call the parts of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc
from hiper.v1 import episode_pb2, episode_pb2_grpc, learner_pb2, learner_pb2_grpc

from learner.service.admission import Admission
from learner.service.status import StatusBoard
from trajectory.learner_wire import lease_outcome_to_pb, status_to_pb, task_list_from_pb

ReportLoads = Callable[[str, Mapping[str, int]], None]


def _ignore(holder: str, episodes: Mapping[str, int]) -> None:
    pass


class EpisodeServicer(episode_pb2_grpc.EpisodeServiceServicer):
    """Grants leases and accepts finished episodes."""

    def __init__(self, admission: Admission, report_loads: ReportLoads = _ignore) -> None:
        """`report_loads` is told how many of a holder's episodes each model server plays, by address."""
        self._admission, self._report_loads = admission, report_loads

    async def Lease(
        self, request: episode_pb2.LeaseRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.LeaseResponse:
        return lease_outcome_to_pb(
            self._admission.lease(request.run_id, request.holder, task_list_from_pb(request))
        )

    async def Renew(
        self, request: episode_pb2.RenewRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.RenewResponse:
        lapsed = self._admission.renew(request.run_id, request.lease_ids)
        self._report_loads(request.holder, {load.address: load.episodes for load in request.loads})
        return episode_pb2.RenewResponse(lapsed_ids=lapsed)

    async def Submit(
        self, request: episode_pb2.SubmitRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.SubmitResponse:
        stored = await self._admission.submit(request.episode)
        return episode_pb2.SubmitResponse(duplicate=not stored)

    async def SetAside(
        self, request: episode_pb2.SetAsideRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.SetAsideResponse:
        await self._admission.set_aside(request.run_id, request.lease_id, request.reason)
        return episode_pb2.SetAsideResponse()


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    """Reports the status of the run, and stops it."""

    def __init__(self, status: StatusBoard, admission: Admission) -> None:
        self._status = status
        self._admission = admission

    async def GetStatus(
        self, request: learner_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.LearnerStatus:
        return status_to_pb(self._status.now)

    async def Stop(
        self, request: learner_pb2.StopRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.StopResponse:
        self._admission.stop()
        return learner_pb2.StopResponse()
