"""The gRPC service hiper.v1.PlannerService, which passes calls on to the planner's logic."""

from __future__ import annotations

import grpc
from hiper.v1 import planner_pb2 as pb
from hiper.v1 import planner_pb2_grpc as pb_grpc

from planner.service import PlannerService
from trajectory.wire import context_from_pb, decision_to_pb, fence_from_pb, generation_to_pb, span_to_pb

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["PlannerService"].full_name


class PlannerServicer(pb_grpc.PlannerServiceServicer):
    """Converts messages to values and back."""

    def __init__(self, service: PlannerService) -> None:
        self._service = service

    async def Plan(self, request: pb.PlanRequest, context: grpc.aio.ServicerContext) -> pb.PlanResponse:
        turn = context_from_pb(request.context)
        if request.prompt_only:
            plan = await self._service.prompt_only(turn)
        else:
            plan = await self._service.plan(turn, request.seed, fence_from_pb(request))
        return pb.PlanResponse(
            decision=decision_to_pb(plan.decision),
            subgoal=plan.subgoal,
            valid=plan.valid,
            generation=generation_to_pb(plan.generation),
            decision_span=span_to_pb(plan.decision_span),
            subgoal_span=span_to_pb(plan.subgoal_span),
        )
