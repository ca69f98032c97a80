"""Memory of the services with the tiny model, every item counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from configuration.learner import LoraSettings
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from orchestrator.preflight.memory.items import (
    CONTEXT_BYTES,
    GIB,
    Item,
    ServiceMemory,
    bytes_together,
    number_bytes,
)
from orchestrator.preflight.memory.learner import activation_bytes, learner_memory
from orchestrator.preflight.memory.model_server import kv_token_bytes, server_memory, vllm_bytes
from tests.orchestrator.preflight.memory.shapes import TINY

WEIGHTS = 80 + 2 * 496 + 8
ADAPTER_ROWS = 16 + 12 + 12 + 16 + 20 + 20 + 20
"""in + out of the seven targets."""


def of_items(memory: ServiceMemory) -> dict[str, int]:
    return {item.what: item.bytes for item in memory.items}


def server(engine: str, gpu_gib: float = 1, last_layers: int | None = None, **settings: Any) -> ServiceMemory:
    chosen = {"engine": engine, "dtype": "float32", "context_length": 64, "max_batch": 2, **settings}
    lora = LoraSettings(last_layers=last_layers)
    settings_ = ModelServerSettings.model_validate(chosen)
    return server_memory("planner", TINY, settings_, lora, int(gpu_gib * GIB))


def learner(**sections: Any) -> ServiceMemory:
    learner_section = {"dtype": "float32", **sections.pop("learner", {})}
    return learner_memory(TINY, Configuration.model_validate({"learner": learner_section, **sections}))


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("auto", 2)])
def test_numbers_take_the_bytes_of_their_format(dtype: str, size: int) -> None:
    assert number_bytes(dtype) == size
    # Keys and values of two layers, with two heads of two numbers each.
    assert kv_token_bytes(TINY, dtype) == 2 * 2 * 4 * size


def test_the_embedded_engine() -> None:
    assert of_items(server("embedded")) == {
        "weights": 4 * WEIGHTS,
        "adapter, staged": 4 * 2 * 480,
        "KV cache": 2 * 64 * 64,
        "kept prompts": 64 * 64,
        "a step's activations": 128 * (3 * 12 + 4 * 8) * 4,
        "logits, sampling": 2 * 10 * 24,
        "CUDA context": CONTEXT_BYTES,
    }
    assert server("embedded", last_layers=1).of("adapter, staged") == 4 * 480
    assert server("embedded", dtype="bfloat16").of("logits, sampling") == 2 * 10 * 22


def test_vllm_gives_the_rest_of_its_share_to_the_cache() -> None:
    memory = server("vllm")
    fixed = {
        "weights": 4 * WEIGHTS,
        "adapters": 2 * (2 * 64 * ADAPTER_ROWS) * 4,
        "a step's activations": 8192 * 68 * 4,
        "logits, sampling": 2 * 10 * 12,
        "CUDA context": CONTEXT_BYTES,
    }
    assert vllm_bytes(GIB) == 987_842_478
    assert of_items(memory) == {**fixed, "KV cache": 987_842_478 - sum(fixed.values())}
    # 448,619,998 bytes left: 7,009,687 tokens of 64 bytes, 109,526 sequences of 64 tokens.
    assert memory.remarks == ("the planner's KV cache holds 109526 sequences of 64 tokens",)
    assert memory.warnings == ()


def test_vllm_s_step_has_room_for_the_longest_prompt() -> None:
    assert server("vllm", context_length=10_000).of("a step's activations") == 10_000 * 68 * 4


def test_vllm_s_own_options_count() -> None:
    plain, half = server("vllm"), server("vllm", vllm={"kv_cache_dtype": "fp8_e4m3"})
    assert plain.bytes == half.bytes
    # 448,619,998 bytes left, 16 for each token in place of 64.
    assert half.remarks == ("the planner's KV cache holds 438105 sequences of 64 tokens",)
    quantised = server("vllm", vllm={"quantization": "fp8"})
    assert quantised.remarks[1:] == ("the planner's weights are counted as float32; fp8 makes them smaller",)


def test_vllm_without_room_for_one_sequence_says_what_it_needs() -> None:
    # 0.5 GiB of context alone are more than 92 % of 0.52 GiB, and less than 0.52 GiB.
    memory = server("vllm", gpu_gib=0.52)
    assert memory.of("KV cache") == 0
    assert memory.remarks == ()
    assert memory.warnings == (
        "the planner does not fit: with one sequence of 64 tokens it needs 0.5 GiB, and vLLM takes 0.5 of "
        "the GPU's 0.5 GiB",
    )
    # With less than the fixed part, the table's own warning says so.
    assert server("vllm", gpu_gib=0.4).warnings == ()


@pytest.mark.parametrize("engine", ["embedded", "vllm"])
def test_a_context_longer_than_the_positions_is_warned_of(engine: str) -> None:
    assert server(engine, context_length=256).warnings == ()
    assert server(engine, context_length=257).warnings == (
        "planner.context_length = 257: this model takes at most 256 tokens",
    )


def test_activations_of_two_layers() -> None:
    # numbers: 2 · 8 + 5 · 8 + 4 · 12 + 2 targets · rank 3 = 110; float32: 2 · 8 + 4 heads = 20.
    assert activation_bytes(TINY, 10, 2, 3, ("q_proj", "v_proj")) == 2 * 10 * (110 * 2 + 20 * 4)


def test_the_learner_in_float32() -> None:
    adapter = 2 * 8 * ADAPTER_ROWS
    activations = 2 * 1024 * ((16 + 40 + 48 + 7 * 8) * 4 + 20 * 4)
    assert of_items(learner()) == {
        "weights": 4 * WEIGHTS,
        "output head": 0,
        "adapters": 2 * adapter * 4,
        "adapters of version 0": 2 * adapter * 4,
        "gradients": adapter * 4,
        "AdamW moments": 2 * 2 * adapter * 4,
        "activations": activations,
        "attention mask": 1024 * 1024 * 4,
        "activations, in flight": activations // 2,
        "logits": 4 * 24 * 10 * 4,
        "CUDA context": CONTEXT_BYTES,
    }


def test_half_precision_has_a_float32_head_and_an_adapter_in_flight() -> None:
    half = learner(learner={"dtype": "bfloat16"})
    adapter = 2 * 8 * ADAPTER_ROWS
    assert half.of("output head") == 10 * 8 * 4
    assert half.of("weights") == 2 * WEIGHTS
    assert half.of("attention mask") == 1024 * 1024 * 2
    assert half.of("activations, in flight") == half.of("activations") // 2 + 2 * adapter


def test_a_pack_is_at_least_as_long_as_the_longest_prompt_with_its_answer() -> None:
    longer = learner(planner={"context_length": 2048}, executor={"max_new_tokens": 30})
    assert longer.of("attention mask") == 2048 * 2048 * 4
    assert longer.of("logits") == 4 * 30 * 10 * 4
    several = learner(learner={"pack_tokens": 4096})
    assert several.of("logits") == 4 * (4 * 24) * 10 * 4, "four sequences of 1024 tokens with an answer each"


def test_a_service_adds_up_its_items() -> None:
    service = ServiceMemory("learner", (Item("a", 3), Item("b", 4)), ranks=2)
    assert (service.bytes, service.of("b")) == (7, 4)
    assert service.title == "learner, each of 2 ranks"
    assert ServiceMemory("planner", ()).title == "planner"
    with pytest.raises(KeyError):
        service.of("c")


def test_a_server_that_sleeps_gives_up_all_but_its_context() -> None:
    awake, asleep = server("vllm"), server("vllm", sleep_while_updating=True)
    assert of_items(awake) == of_items(asleep)
    assert (awake.bytes_at_rest, asleep.bytes_at_rest) == (awake.bytes, CONTEXT_BYTES)
    assert awake.remarks == asleep.remarks[:-1]
    assert asleep.remarks[-1] == (
        "during an update, the planner sleeps and gives up 0.4 of its 0.9 GiB; 0.0 GiB of them are then in "
        "the machine's memory"
    )
    assert server("embedded", sleep_while_updating=True).bytes_at_rest == CONTEXT_BYTES


def test_between_updates_the_learner_holds_what_it_needs_for_the_next() -> None:
    plain = learner()
    held = ("weights", "output head", "adapters", "adapters of version 0", "AdamW moments", "CUDA context")
    assert plain.bytes_at_rest == sum(plain.of(what) for what in held)
    assert plain.remarks == ()
    shared = learner(executor={"sleep_while_updating": True})
    assert shared.remarks == ("while episodes are played, the learner holds 0.5 GiB",)


def test_services_that_take_turns_need_the_larger_of_two_sums() -> None:
    def of(name: str, held: int, given_up: int) -> ServiceMemory:
        return ServiceMemory(name, (Item("held", held), Item("more", given_up, given_up=True)))

    sleeping, computing = of("planner", 1, 50), of("learner", 10, 20)
    assert bytes_together([sleeping, computing]) == max(51 + 10, 1 + 30)
    assert bytes_together([sleeping, of("learner", 10, 90)]) == 1 + 100
    # A server that stays awake is there during the update, too.
    assert bytes_together([of("planner", 51, 0), computing]) == 51 + 30


def test_four_bits_for_the_weights_of_linear_layers() -> None:
    whole, small = learner(), learner(learner={"quantization": "nf4"})
    linear = 2 * 480
    assert small.of("weights") == 4 * (WEIGHTS - linear) + round(linear * (0.5 + 1 / 64 + 1 / 4096))
    assert small.of("a matrix, restored") == 4 * 8 * 12
    (how,) = (item.how for item in small.items if item.what == "weights")
    assert how.endswith(f"; {whole.of('weights') / GIB:.2f} without learner.quantization")
    assert learner(learner={"quantization": "nf4", "dtype": "bfloat16"}).of("output head") == 10 * 8 * 4
