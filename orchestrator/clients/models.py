"""Typed clients of the model servers, planner and executor."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc
from hiper.v1 import (
    executor_pb2,
    executor_pb2_grpc,
    planner_pb2,
    planner_pb2_grpc,
)

from trajectory.episode import Act, AdmissibleAction, Plan, TurnContext
from trajectory.fence import Fence
from trajectory.wire import (
    context_to_pb,
    decision_from_pb,
    fence_to_pb,
    generation_from_pb,
    span_from_pb,
    told_actions_to_pb,
)

Clock = Callable[[], float]
ResponseT = TypeVar("ResponseT")
Method = Callable[[grpc.aio.Channel], Callable[..., Awaitable[ResponseT]]]
"""A function that returns a service's method on a channel."""


class Calls(Protocol):
    """Makes the calls of an episode to a server of a role, whichever answers."""

    async def call(self, method: Method[ResponseT], request: Any) -> ResponseT:
        """Calls the method; a `HiperError` names the server."""


@dataclass
class CallTime:
    """Sums of the time that sampling calls took, in seconds."""

    elapsed: float = 0.0
    """Time from request to response, as measured by the caller."""
    engine: float = 0.0
    """Part of `elapsed` that the server spent in its engine; the rest is the cost of the RPC."""

    def add(self, elapsed: float, engine: float) -> None:
        self.elapsed += elapsed
        self.engine += engine


class PlannerClient:
    """Calls the planner."""

    def __init__(self, calls: Calls, spent: CallTime, clock: Clock = time.perf_counter) -> None:
        self._calls, self._spent, self._clock = calls, spent, clock

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        """The planner's decision, with a subgoal; a `HiperError` names the server."""
        begin = self._clock()
        request = planner_pb2.PlanRequest(context=context_to_pb(context), seed=seed, fence=fence_to_pb(fence))
        response = await self._calls.call(_plan, request)
        plan = Plan(
            decision=decision_from_pb(response.decision),
            subgoal=response.subgoal,
            valid=response.valid,
            generation=generation_from_pb(response.generation),
            decision_span=span_from_pb(response.decision_span),
            subgoal_span=span_from_pb(response.subgoal_span),
        )
        self._spent.add(self._clock() - begin, plan.generation.engine_seconds)
        return plan

    async def prompt(self, context: TurnContext) -> tuple[int, ...]:
        """Token ids of the prompt alone; nothing is sampled."""
        request = planner_pb2.PlanRequest(context=context_to_pb(context), prompt_only=True)
        response = await self._calls.call(_plan, request)
        return tuple(response.generation.prompt_ids)


class ExecutorClient:
    """Calls the executor."""

    def __init__(self, calls: Calls, spent: CallTime, clock: Clock = time.perf_counter) -> None:
        self._calls, self._spent, self._clock = calls, spent, clock

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        """The executor's action for the context's subgoal; a `HiperError` names the server."""
        begin = self._clock()
        request = _act_request(context, actions)
        request.seed = seed
        if fence is not None:
            request.fence.CopyFrom(fence_to_pb(fence))
        response = await self._calls.call(_act, request)
        act = Act(
            action=response.action,
            valid=response.valid,
            generation=generation_from_pb(response.generation),
            action_span=span_from_pb(response.action_span),
        )
        self._spent.add(self._clock() - begin, act.generation.engine_seconds)
        return act

    async def prompt(self, context: TurnContext, actions: tuple[AdmissibleAction, ...]) -> tuple[int, ...]:
        """Token ids of the prompt alone; nothing is sampled."""
        request = _act_request(context, actions)
        request.prompt_only = True
        response = await self._calls.call(_act, request)
        return tuple(response.generation.prompt_ids)


def _act_request(context: TurnContext, actions: Sequence[AdmissibleAction]) -> executor_pb2.ActRequest:
    return executor_pb2.ActRequest(
        context=context_to_pb(context),
        admissible_actions=[action.text for action in actions],
        told_actions=told_actions_to_pb(actions),
    )


def _plan(channel: grpc.aio.Channel) -> Callable[..., Awaitable[planner_pb2.PlanResponse]]:
    return planner_pb2_grpc.PlannerServiceStub(channel).Plan


def _act(channel: grpc.aio.Channel) -> Callable[..., Awaitable[executor_pb2.ActResponse]]:
    return executor_pb2_grpc.ExecutorServiceStub(channel).Act
