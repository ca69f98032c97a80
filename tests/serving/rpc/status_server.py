"""A server of one service, for tests of what all servers have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
from hiper.v1 import learner_pb2 as pb
from hiper.v1 import learner_pb2_grpc as pb_grpc

from configuration.servers import ServerSettings
from serving.rpc.server import GrpcServer, Service

NAME = "hiper.v1.LearnerService"
Answer = Callable[[], Awaitable[pb.LearnerStatus]]


class Servicer(pb_grpc.LearnerServiceServicer):
    """Answers as the test says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.LearnerStatus:
        return await self._answer()


def make_server(answer: Answer, tells_failures: bool = False, **settings: object) -> GrpcServer:
    def add_to(server: grpc.aio.Server) -> None:
        pb_grpc.add_LearnerServiceServicer_to_server(Servicer(answer), server)

    service = Service(NAME, add_to, tells_failures)
    return GrpcServer(ServerSettings(drain_seconds=5, **settings), [service])


async def fine() -> pb.LearnerStatus:
    return pb.LearnerStatus(run_id="fine")


def status_of(channel: grpc.aio.Channel, seconds: float = 10) -> Awaitable[pb.LearnerStatus]:
    return pb_grpc.LearnerServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=seconds)
