"""The vLLM engine: refused in words where vLLM is not installed, else held to the embedded engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from configuration.servers import ModelServerSettings
from core.errors import InvalidInputError, PreconditionError, PromptTooLongError, UnavailableError
from serving.bundled_model import bundled_model
from serving.engine import Engine, FinishReason, GenerationRequest, GenerationResult, LoadedAdapter
from serving.engines import make_engine
from serving.model import ModelFolder, load_tokenizer, resolve_model
from serving.sleep import SleepingEngine

PAIR = Path(__file__).resolve().parents[2] / "learner" / "warm_start" / "alfworld_transcript"
SETTINGS = {"dtype": "float32", "context_length": 256, "max_batch": 4, "max_lora_rank": 16}
QUESTIONS = ("What is a mug?", "Name three fruits.", "What is a mug made of?")

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: HIPER_REQUIREMENTS=gpu has it"
)


def test_without_vllm_the_error_names_the_lock_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(PreconditionError, match="HIPER_REQUIREMENTS=gpu"):
        make_engine(ModelFolder(Path("."), "none", ""), ModelServerSettings(engine="vllm"))


@cache
def prompts() -> tuple[tuple[tuple[int, ...], ...], int]:
    """Of the questions, and the token that ends an answer."""
    tokenizer = load_tokenizer(bundled_model())
    asked = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
        )
        for question in QUESTIONS
    ]
    return tuple(map(tuple, asked)), tokenizer.eos_token_id


def requests(temperature: float = 0.0, tokens: int = 12) -> list[GenerationRequest]:
    asked, end = prompts()
    return [
        GenerationRequest(prompt, tokens, temperature, seed, frozenset([end]))
        for seed, prompt in enumerate(asked)
    ]


async def answers(engine: Engine, asked: Sequence[GenerationRequest]) -> list[GenerationResult]:
    return await asyncio.gather(*(engine.generate(request) for request in asked))


def adapter(version: int, role: str) -> LoadedAdapter:
    return LoadedAdapter(f"test/{role}@{version}", version, PAIR / role)


async def played(kind: str) -> list[GenerationResult]:
    """What an engine says without an adapter, with one, with another after a switch under load, without."""
    engine = make_engine(resolve_model("bundled"), ModelServerSettings(engine=kind, **SETTINGS))
    await engine.start()
    try:
        said = await answers(engine, requests())
        await engine.switch(adapter(1, "executor"))
        said += await answers(engine, requests())
        running = asyncio.ensure_future(answers(engine, requests(temperature=1.0, tokens=40)))
        await engine.switch(adapter(2, "planner"))
        assert [one.adapter_version for one in await running] == [1, 1, 1]
        said += await answers(engine, requests())
        if kind == "vllm":
            await _refusals(engine)
        await engine.switch(None)
        return said + await answers(engine, requests())
    finally:
        await engine.close()


async def _refusals(engine: Engine) -> None:
    """What is refused changes nothing; a complete answer ends at its last token."""
    with pytest.raises(InvalidInputError, match="vLLM does not take adapter test/nobody@3"):
        await engine.switch(adapter(3, "nobody"))
    (first, *_) = requests()
    with pytest.raises(PromptTooLongError):
        await engine.generate(GenerationRequest(first.prompt_ids, 256, 0.0, 0, first.stop_ids))
    whole = await engine.generate(first)
    begun = whole.token_ids[:3]
    cut = await engine.generate(
        GenerationRequest(first.prompt_ids, 12, 0.0, 0, first.stop_ids, frozenset([begun]))
    )
    assert (cut.token_ids, cut.finish_reason, cut.adapter_version) == (begun, FinishReason.STOP, 2)


@needs_vllm
def test_it_says_what_the_embedded_engine_says() -> None:
    ours, theirs = asyncio.run(played("embedded")), asyncio.run(played("vllm"))
    assert [one.adapter_version for one in theirs] == [-1] * 3 + [1] * 3 + [2] * 3 + [-1] * 3
    for own, other in zip(ours, theirs, strict=True):
        assert (other.token_ids, other.finish_reason) == (own.token_ids, own.finish_reason)
        assert other.adapter_version == own.adapter_version
        assert other.logprobs == pytest.approx(own.logprobs, abs=1e-3)


async def slept() -> tuple[list[GenerationResult], list[GenerationResult], int]:
    """What a vLLM says before a sleep and after it, and the bytes of the GPU that the sleep freed."""
    settings = {**SETTINGS, "sleep_while_updating": True, "vllm": {"gpu_memory_utilization": 0.3}}
    engine = make_engine(resolve_model("bundled"), ModelServerSettings(engine="vllm", **settings))
    assert isinstance(engine, SleepingEngine)
    await engine.start()
    try:
        await engine.switch(adapter(1, "executor"))
        before = await answers(engine, requests())
        free, _ = torch.cuda.mem_get_info()
        await engine.sleep(lambda: False)
        freed = torch.cuda.mem_get_info()[0] - free
        with pytest.raises(UnavailableError, match="sleeps"):
            await engine.generate(requests()[0])
        while engine.asleep:
            await asyncio.sleep(0.01)
        after = await answers(engine, requests())
        await engine.sleep(lambda: True)
        await engine.switch(adapter(2, "planner"))
        assert [one.adapter_version for one in await answers(engine, requests())] == [2, 2, 2]
        return before, after, freed
    finally:
        await engine.close()


@needs_vllm
@pytest.mark.skipif(not torch.cuda.is_available(), reason="vLLM sleeps on GPUs only")
def test_it_says_after_a_sleep_what_it_said_before() -> None:
    before, after, freed = asyncio.run(slept())
    assert freed > 0.2 * torch.cuda.mem_get_info()[1]
    for one, other in zip(before, after, strict=True):
        assert (one.token_ids, one.adapter_version) == (other.token_ids, 1)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
