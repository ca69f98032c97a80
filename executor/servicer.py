"""The gRPC service hiper.v1.ExecutorService, which passes calls on to the executor's logic."""

from __future__ import annotations

import grpc
from hiper.v1 import executor_pb2 as pb
from hiper.v1 import executor_pb2_grpc as pb_grpc

from executor.service import ExecutorService
from trajectory.wire import actions_from_pb, context_from_pb, fence_from_pb, generation_to_pb, span_to_pb

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ExecutorService"].full_name


class ExecutorServicer(pb_grpc.ExecutorServiceServicer):
    """Converts messages to values and back."""

    def __init__(self, service: ExecutorService) -> None:
        self._service = service

    async def Act(self, request: pb.ActRequest, context: grpc.aio.ServicerContext) -> pb.ActResponse:
        turn = context_from_pb(request.context)
        actions = actions_from_pb(request.admissible_actions, request.told_actions)
        if request.prompt_only:
            act = await self._service.prompt_only(turn, actions)
        else:
            act = await self._service.act(turn, actions, request.seed, fence_from_pb(request))
        return pb.ActResponse(
            action=act.action,
            valid=act.valid,
            generation=generation_to_pb(act.generation),
            action_span=span_to_pb(act.action_span),
        )
