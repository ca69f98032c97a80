"""The planner's service with a tiny model of random weights, called directly and over gRPC."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import grpc
import pytest
from hiper.v1 import planner_pb2, planner_pb2_grpc

from configuration.servers import PlannerSettings
from core.errors import InvalidInputError
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from planner.service import PlannerService
from planner.servicer import PlannerServicer
from serving.embedded.engine import EmbeddedEngine
from tests.byte_tokenizer import byte_tokenizer
from tests.learner.tiny import tiny_model
from tests.serving.running import listening, running
from trajectory.episode import EMPTY_SPAN, Decision, Plan, TurnContext
from trajectory.wire import context_to_pb, decision_from_pb, generation_from_pb, span_from_pb

SETTINGS = PlannerSettings(context_length=1024, max_new_tokens=5, threads=1, max_batch=2)
CONTEXT = TurnContext("put a mug in the sink", 1, (), "You see a mug.", "find a mug", 1)


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """Plans for the same turn by name, and one over the wire."""
    model = tiny_model(tmp_path_factory.mktemp("model"), words=300, context=1024)

    async def work() -> dict[str, Plan]:
        async with running(EmbeddedEngine(model, "float32", context_length=1024, max_batch=2)) as engine:
            service = PlannerService(engine, byte_tokenizer(), SETTINGS)
            add = partial(planner_pb2_grpc.add_PlannerServiceServicer_to_server, PlannerServicer(service))
            async with listening(add) as address, grpc.aio.insecure_channel(address) as channel:
                stub = planner_pb2_grpc.PlannerServiceStub(channel)
                return {
                    "first": await service.plan(CONTEXT, 3),
                    "again": await service.plan(CONTEXT, 3),
                    "other": await service.plan(CONTEXT, 4),
                    "turn 0": await service.plan(replace(CONTEXT, turn=0, subgoal="", subgoal_age=0), 3),
                    "unsampled": await service.prompt_only(CONTEXT),
                    **await _without_hierarchy(engine),
                    "sent": await _sent(stub, prompt_only=False),
                    "sent unsampled": await _sent(stub, prompt_only=True),
                }

    return asyncio.run(work())


async def _without_hierarchy(engine: EmbeddedEngine) -> dict[str, Plan]:
    service = PlannerService(
        engine, byte_tokenizer(), SETTINGS.model_copy(update={"hierarchy": False, "max_new_tokens": 40})
    )
    begun = await service.plan(replace(CONTEXT, turn=0, subgoal="", subgoal_age=0), 3)
    return {"alone 0": begun, "alone 1": await service.plan(replace(CONTEXT, subgoal=begun.subgoal), 3)}


async def _sent(stub: planner_pb2_grpc.PlannerServiceStub, prompt_only: bool) -> Plan:
    answer = await stub.Plan(
        planner_pb2.PlanRequest(context=context_to_pb(CONTEXT), seed=3, prompt_only=prompt_only)
    )
    return Plan(
        decision_from_pb(answer.decision),
        answer.subgoal,
        answer.valid,
        generation_from_pb(answer.generation),
        span_from_pb(answer.decision_span),
        span_from_pb(answer.subgoal_span),
    )


def timeless(plan: Plan) -> Plan:
    """The plan without its duration, and its log-probabilities to four digits."""
    rounded = tuple(round(each, 4) for each in plan.generation.logprobs)
    return replace(plan, generation=replace(plan.generation, engine_seconds=0.0, logprobs=rounded))


@pytest.mark.parametrize(("name", "turn"), [("first", 1), ("other", 1), ("turn 0", 0)])
def test_a_plan_is_what_the_parser_reads_in_the_answer_to_the_prompt(
    plans: dict[str, Plan], name: str, turn: int
) -> None:
    plan = plans[name]
    subgoal = "find a mug" if turn else ""
    asked = replace(CONTEXT, turn=turn, subgoal=subgoal, subgoal_age=turn)
    tokenizer = byte_tokenizer()
    assert plan.generation.prompt_ids == PlannerPrompt(tokenizer, "compact", 2, 1024, 5).render(asked)
    read = PlannerParser(tokenizer).parse(plan.generation.token_ids, turn, CONTEXT.goal, subgoal)
    assert (plan.decision, plan.subgoal, plan.valid) == (read.decision, read.subgoal, read.valid)
    assert (plan.decision_span, plan.subgoal_span) == (read.decision_span, read.subgoal_span)


def test_the_seed_decides(plans: dict[str, Plan]) -> None:
    assert timeless(plans["again"]) == timeless(plans["first"])
    assert plans["other"].generation.token_ids != plans["first"].generation.token_ids


def test_over_the_wire_the_plan_is_the_same(plans: dict[str, Plan]) -> None:
    assert timeless(plans["sent"]) == timeless(plans["first"])
    assert plans["sent unsampled"] == plans["unsampled"]


def test_a_prompt_alone_keeps_the_subgoal(plans: dict[str, Plan]) -> None:
    plan = plans["unsampled"]
    assert (plan.decision, plan.subgoal, plan.valid) == (Decision.KEEP, "find a mug", False)
    assert (plan.decision_span, plan.subgoal_span) == (EMPTY_SPAN, EMPTY_SPAN)
    assert plan.generation.prompt_ids == plans["first"].generation.prompt_ids
    assert plan.generation.token_ids == ()


@pytest.mark.parametrize(("turn", "decision"), [(0, Decision.SWITCH), (1, Decision.KEEP)])
def test_without_a_hierarchy_the_task_is_the_subgoal_and_nothing_learns(
    plans: dict[str, Plan], turn: int, decision: Decision
) -> None:
    plan = plans[f"alone {turn}"]
    assert (plan.decision, plan.subgoal, plan.valid) == (decision, CONTEXT.goal, True)
    assert (plan.decision_span, plan.subgoal_span) == (EMPTY_SPAN, EMPTY_SPAN)
    # What a server records must pass the learner's checks, which accept no answer without tokens.
    said = plan.generation
    assert said.prompt_ids and said.token_ids and said.logprobs == (0.0,) * len(said.token_ids)
    read = PlannerParser(byte_tokenizer()).parse(said.token_ids, turn, CONTEXT.goal, CONTEXT.goal)
    assert (read.decision, read.subgoal) == (decision, CONTEXT.goal)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"goal": " \n"}, "context.goal: must not be empty"),
        ({"subgoal": ""}, "context.subgoal: must not be empty at turn 1"),
    ],
)
def test_a_turn_without_goal_or_subgoal_is_refused(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    engine = EmbeddedEngine(tiny_model(tmp_path, words=300), "float32", context_length=1024)
    service = PlannerService(engine, byte_tokenizer(), SETTINGS)
    with pytest.raises(InvalidInputError, match=message):
        asyncio.run(service.prompt_only(replace(CONTEXT, **changes)))  # type: ignore[arg-type]
