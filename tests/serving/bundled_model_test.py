"""The bundled model, for real: conversion, and log-probabilities that agree with transformers and PEFT."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from serving.bundled_model import gguf_file
from serving.embedded.engine import EmbeddedEngine
from serving.engine import GenerationRequest, LoadedAdapter
from serving.model import ModelFolder, load_tokenizer, resolve_model
from tests.serving.models import plain_logprobs, random_adapter

Requests = list[GenerationRequest]

QUESTIONS = ("What is the capital of France?", "Name three colours, please.", "go to cabinet 1")


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    return resolve_model("bundled")


@pytest.fixture(scope="module")
def requests(model: ModelFolder) -> list[GenerationRequest]:
    tokenizer = load_tokenizer(model.path)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
        )
        for question in QUESTIONS
    ]
    return [
        GenerationRequest(tuple(prompt), 8, 1.0, seed, frozenset()) for seed, prompt in enumerate(prompts)
    ]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def engine(model: ModelFolder, runner: asyncio.Runner) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(model, "float32", context_length=256, max_batch=4)
    runner.run(made.start())
    yield made
    runner.run(made.close())


def test_the_conversion_is_bit_identical_to_the_one_of_transformers(model: ModelFolder) -> None:
    config = AutoConfig.from_pretrained(model.path)
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)
    expected = load_gguf_checkpoint(str(gguf_file()), return_tensors=True, model_to_load=skeleton)["tensors"]
    with safe_open(model.path / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert names == set(expected)
        assert [name for name in names if not torch.equal(file.get_tensor(name), expected[name])] == []


def test_it_speaks(
    engine: EmbeddedEngine, runner: asyncio.Runner, model: ModelFolder, requests: Requests
) -> None:
    asked = GenerationRequest(requests[0].prompt_ids, 8, 0.0, 0, frozenset({2}))
    answer = runner.run(engine.generate(asked))
    assert "Paris" in load_tokenizer(model.path).decode(answer.token_ids)


def test_logprobs_agree_with_transformers_and_peft_before_and_after_a_switch(
    engine: EmbeddedEngine,
    runner: asyncio.Runner,
    model: ModelFolder,
    requests: list[GenerationRequest],
    tmp_path: Path,
) -> None:
    reference = random_adapter(model, tmp_path, seed=3, rank=8)

    async def together() -> list:
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    with reference.disable_adapter():
        _assert_agree(reference, requests, runner.run(together()))
    runner.run(engine.switch(LoadedAdapter("bundled@0", 0, tmp_path)))
    batched = runner.run(together())
    alone = [runner.run(engine.generate(request)) for request in requests]
    _assert_agree(reference, requests, batched)
    _assert_agree(reference, requests, alone)
    assert {result.adapter_version for result in batched + alone} == {0}
    with reference.disable_adapter():
        base = plain_logprobs(reference, requests[0].prompt_ids, batched[0].token_ids)
    assert batched[0].logprobs != pytest.approx(base, abs=1e-2)


def _assert_agree(reference: torch.nn.Module, requests: list[GenerationRequest], results: list) -> None:
    for request, result in zip(requests, results, strict=True):
        expected = plain_logprobs(reference, request.prompt_ids, result.token_ids)
        assert result.logprobs == pytest.approx(expected, abs=1e-3)
