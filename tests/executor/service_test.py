"""The executor's service with a tiny model of random weights, called directly and over gRPC."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import grpc
import pytest
from hiper.v1 import executor_pb2, executor_pb2_grpc

from configuration.servers import ModelServerSettings
from core.errors import InvalidInputError
from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from executor.service import ExecutorService
from executor.servicer import ExecutorServicer
from serving.embedded.engine import EmbeddedEngine
from tests.byte_tokenizer import byte_tokenizer
from tests.learner.tiny import tiny_model
from tests.serving.running import listening, running
from trajectory.episode import EMPTY_SPAN, Act, AdmissibleAction, TurnContext
from trajectory.wire import context_to_pb, generation_from_pb, span_from_pb, told_actions_to_pb

SETTINGS = ModelServerSettings(
    context_length=1024, max_new_tokens=5, threads=1, max_batch=2, prompt_format="nano"
)
CONTEXT = TurnContext("put a mug in the sink", 1, (), "You see a mug.", "find a mug", 1)
ACTIONS = (AdmissibleAction("look"), AdmissibleAction("go to sink 1", follows=True, place="sink 1"))


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Act]:
    """Acts for the same turn by name, some of them over the wire."""
    model = tiny_model(tmp_path_factory.mktemp("model"), words=300, context=1024)

    async def work() -> dict[str, Act]:
        async with running(EmbeddedEngine(model, "float32", context_length=1024, max_batch=2)) as engine:
            service = ExecutorService(engine, byte_tokenizer(), SETTINGS)
            add = partial(executor_pb2_grpc.add_ExecutorServiceServicer_to_server, ExecutorServicer(service))
            async with listening(add) as address, grpc.aio.insecure_channel(address) as channel:
                stub = executor_pb2_grpc.ExecutorServiceStub(channel)
                return {
                    "called": await service.act(CONTEXT, ACTIONS, 3),
                    "unsampled": await service.prompt_only(CONTEXT, ACTIONS),
                    "sent": await _sent(stub, prompt_only=False),
                    "sent unsampled": await _sent(stub, prompt_only=True),
                }

    return asyncio.run(work())


async def _sent(stub: executor_pb2_grpc.ExecutorServiceStub, prompt_only: bool) -> Act:
    answer = await stub.Act(
        executor_pb2.ActRequest(
            context=context_to_pb(CONTEXT),
            admissible_actions=[action.text for action in ACTIONS],
            told_actions=told_actions_to_pb(ACTIONS),
            seed=3,
            prompt_only=prompt_only,
        )
    )
    return Act(
        answer.action, answer.valid, generation_from_pb(answer.generation), span_from_pb(answer.action_span)
    )


def test_an_act_is_what_the_parser_reads_in_the_answer_to_the_prompt(acts: dict[str, Act]) -> None:
    act, tokenizer = acts["called"], byte_tokenizer()
    prompt = ExecutorPrompt(tokenizer, "nano", 2, 1024, 5)
    assert act.generation.prompt_ids == prompt.render(CONTEXT, ACTIONS)
    read = ExecutorParser(tokenizer).parse(act.generation.token_ids)
    assert (act.action, act.valid, act.action_span) == (read.action, read.valid, read.action_span)
    assert 0 < len(act.generation.token_ids) <= 5


def test_over_the_wire_the_act_is_the_same(acts: dict[str, Act]) -> None:
    called, sent = acts["called"], acts["sent"]
    assert (sent.action, sent.valid, sent.action_span) == (called.action, called.valid, called.action_span)
    assert sent.generation.prompt_ids == called.generation.prompt_ids, "told actions arrive as they were"
    assert sent.generation.token_ids == called.generation.token_ids
    assert sent.generation.logprobs == pytest.approx(called.generation.logprobs, abs=1e-4)
    assert acts["sent unsampled"] == acts["unsampled"]


def test_a_prompt_alone_has_no_action(acts: dict[str, Act]) -> None:
    act = acts["unsampled"]
    assert (act.action, act.valid, act.action_span) == ("", False, EMPTY_SPAN)
    assert act.generation.prompt_ids == acts["called"].generation.prompt_ids


@pytest.mark.parametrize("missing", ["goal", "subgoal"])
def test_a_turn_without_goal_or_subgoal_is_refused(tmp_path: Path, missing: str) -> None:
    engine = EmbeddedEngine(tiny_model(tmp_path, words=300), "float32", context_length=1024)
    service = ExecutorService(engine, byte_tokenizer(), SETTINGS)
    with pytest.raises(InvalidInputError, match=rf"context\.{missing}: must not be empty"):
        asyncio.run(service.prompt_only(replace(CONTEXT, **{missing: " "}), ACTIONS))  # type: ignore[arg-type]
