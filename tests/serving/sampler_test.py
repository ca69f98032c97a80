"""What the sampler asks the engine for, and what it records of the answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from configuration.servers import ModelServerSettings
from core.errors import PromptTooLongError
from serving.embedded.engine import EmbeddedEngine
from serving.sampler import Sampler
from tests.serving.models import WORDS, plain_logprobs, tiny_model
from trajectory.episode import Generation

PROMPT = (5, 17, 99, 4)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generation]:
    """Answers of a tiny model at temperature 0, which are the same words until they end."""
    folder = tmp_path_factory.mktemp("model")
    engine = EmbeddedEngine(tiny_model(folder), "float32", context_length=64, max_batch=2)
    settings = ModelServerSettings(max_new_tokens=6, temperature=0)

    async def work() -> dict[str, Generation]:
        await engine.start()
        try:
            free = await Sampler(engine, settings, frozenset()).sample(PROMPT, 0)
            stop = frozenset({free.token_ids[2]})
            whole = frozenset({free.token_ids[:2]})
            return {
                "free": free,
                "stopped": await Sampler(engine, settings, stop).sample(PROMPT, 0),
                "complete": await Sampler(engine, settings, frozenset()).sample(PROMPT, 0, whole),
                "unsampled": Sampler(engine, settings, stop).unsampled(PROMPT),
            }
        finally:
            await engine.close()

    return asyncio.run(work())


def test_an_answer_without_an_end_has_the_limit_of_the_settings(answers: dict[str, Generation]) -> None:
    free = answers["free"]
    assert len(free.token_ids) == len(free.logprobs) == 6
    assert free.length_limited
    assert (free.prompt_ids, free.temperature, free.adapter_version) == (PROMPT, 0.0, -1)
    assert free.engine_seconds > 0
    assert all(0 <= token < WORDS for token in free.token_ids)


def test_a_stop_token_ends_an_answer_and_is_part_of_it(answers: dict[str, Generation]) -> None:
    free, stopped = answers["free"], answers["stopped"]
    first = free.token_ids.index(free.token_ids[2])
    assert stopped.token_ids == free.token_ids[: first + 1]
    assert not stopped.length_limited


def test_a_complete_answer_ends_without_a_stop_token(answers: dict[str, Generation]) -> None:
    assert answers["complete"].token_ids == answers["free"].token_ids[:2]
    assert not answers["complete"].length_limited


def test_a_prompt_that_is_only_rendered_has_no_tokens(answers: dict[str, Generation]) -> None:
    assert answers["unsampled"] == Generation(PROMPT, (), (), -1, 0.0, False, 0.0)


def test_greedy_answers_carry_the_logprobs_of_temperature_one(
    answers: dict[str, Generation], tmp_path: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model(tmp_path).path)
    expected = plain_logprobs(model, PROMPT, answers["free"].token_ids)
    assert answers["free"].logprobs == pytest.approx(expected, abs=1e-3)


@pytest.fixture(scope="module")
def thoughts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generation]:
    """Answers after thoughts at temperature 0; the third token of a thought ends its line."""
    engine = EmbeddedEngine(
        tiny_model(tmp_path_factory.mktemp("model")), "float32", context_length=64, max_batch=2
    )
    settings = ModelServerSettings(max_new_tokens=4, think=5, temperature=0)

    async def work() -> dict[str, Generation]:
        await engine.start()
        try:
            free = await Sampler(engine, settings.model_copy(update={"think": 0}), frozenset()).sample(
                PROMPT, 0
            )
            stop = frozenset({free.token_ids[2]})
            begun = (*PROMPT, *free.token_ids[: free.token_ids.index(free.token_ids[2]) + 1])
            plain = Sampler(engine, settings.model_copy(update={"think": 0}), stop)
            return {
                "thought": await Sampler(engine, settings, stop).sample(PROMPT, 0),
                "answer": await plain.sample(begun, 0),
                "no answer": await Sampler(engine, settings, stop, stop).sample(PROMPT, 0),
                "endless": await Sampler(engine, settings, frozenset()).sample(PROMPT, 0),
            }
        finally:
            await engine.close()

    return asyncio.run(work())


def test_an_answer_follows_the_line_of_its_thought(thoughts: dict[str, Generation], tmp_path: Path) -> None:
    whole, answer = thoughts["thought"], thoughts["answer"]
    assert whole.prompt_ids == PROMPT
    assert PROMPT + whole.token_ids == answer.prompt_ids + answer.token_ids
    model = AutoModelForCausalLM.from_pretrained(tiny_model(tmp_path).path)
    assert whole.logprobs == pytest.approx(plain_logprobs(model, PROMPT, whole.token_ids), abs=1e-3)


def test_no_answer_follows_a_thought_that_ends_the_turn_or_does_not_end(
    thoughts: dict[str, Generation],
) -> None:
    whole, none = thoughts["thought"], thoughts["no answer"]
    assert none.token_ids == whole.token_ids[: len(none.token_ids)] and not none.length_limited
    assert len(none.token_ids) <= 3 < len(whole.token_ids)
    assert len(thoughts["endless"].token_ids) == 5 and thoughts["endless"].length_limited


def test_a_prompt_and_an_answer_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        engine = EmbeddedEngine(tiny_model(tmp_path), "float32", context_length=64, max_batch=1)
        await engine.start()
        try:
            await Sampler(engine, ModelServerSettings(max_new_tokens=8), frozenset()).sample((1,) * 57, 0)
        finally:
            await engine.close()

    with pytest.raises(PromptTooLongError, match="57 tokens and 8 for the answer are 65"):
        asyncio.run(work())
