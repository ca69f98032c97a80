"""Estimates of memory against what they estimate: real files, real models, real tensors."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from rich.console import Console
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from configuration.learner import LoraSettings
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from learner.update.adapter_files import write_adapter
from learner.update.packing import TokenSequence, pack
from learner.update.policy import PLANNER, AdaptedModel
from orchestrator.preflight.dry_run import dry_run
from orchestrator.preflight.memory.items import GIB
from orchestrator.preflight.memory.learner import activation_bytes, checkpointed_bytes, learner_memory
from orchestrator.preflight.memory.model_server import kv_token_bytes, server_memory
from orchestrator.preflight.memory.report import memory_report
from orchestrator.preflight.memory.shapes import (
    BUNDLED_NAME,
    PUBLISHED,
    UnknownShapeError,
    find_shape,
    read_shape,
)
from serving.adapters.folder import WEIGHTS_FILE
from serving.adapters.origin import AdapterOrigin
from serving.bundled_model import bundled_model
from serving.embedded.kv_cache import KvCache
from tests.extras import need

TARGETS = LoraSettings().targets
PUBLISHED_CONFIGS = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
CPU = torch.device("cpu")


def tiny_qwen(folder: Path) -> Path:
    config = Qwen2Config(
        vocab_size=97,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def tensor_bytes(file: Path) -> int:
    with safe_open(file, "pt") as tensors:
        names = tensors.keys()
        return sum(tensors.get_tensor(name).nbytes for name in names)


@pytest.mark.parametrize("name", PUBLISHED_CONFIGS)
def test_published_shapes_have_transformers_parameters_and_peft_s_adapters(name: str) -> None:
    shape = read_shape(PUBLISHED_CONFIGS[name], name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**PUBLISHED_CONFIGS[name]))
        assert sum(parameter.numel() for parameter in model.parameters()) == shape.parameters
        peft = get_peft_model(model, LoraConfig(r=16, target_modules=list(TARGETS), task_type="CAUSAL_LM"))
    adapter = get_peft_model_state_dict(peft)
    assert sum(tensor.numel() for tensor in adapter.values()) == shape.adapter_parameters(16, TARGETS)


def test_weights_of_the_bundled_model_are_its_file_s() -> None:
    folder = bundled_model()
    settings = ModelServerSettings(dtype="float32")
    estimate = server_memory("planner", find_shape("bundled"), settings, LoraSettings(), 80 * GIB)
    assert estimate.of("weights") == tensor_bytes(folder / "model.safetensors")
    read = find_shape(str(folder))
    assert (read.parameters, read.linears) == (
        find_shape("bundled").parameters,
        find_shape("bundled").linears,
    )


def test_an_adapter_is_as_large_as_its_file(tmp_path: Path) -> None:
    folder = tiny_qwen(tmp_path / "model")
    lora = LoraSettings(rank=4, alpha=8)
    model = AdaptedModel(folder, lora, torch.float32, CPU, seed=0)
    (tmp_path / "adapter").mkdir()
    write_adapter(model.peft, PLANNER, "tiny", AdapterOrigin("", PLANNER, 0), tmp_path / "adapter")
    parameters = find_shape(str(folder)).adapter_parameters(lora.rank, lora.targets)
    assert tensor_bytes(tmp_path / "adapter" / WEIGHTS_FILE) == 4 * parameters


@pytest.mark.parametrize(
    ("name", "rank", "megabytes"),
    [
        ("bundled", 16, 9.8),
        ("bundled", 64, 39),
        ("Qwen/Qwen2.5-1.5B-Instruct", 16, 37),
        ("Qwen/Qwen2.5-1.5B-Instruct", 64, 148),
        ("Qwen/Qwen2.5-7B-Instruct", 16, 81),
        ("Qwen/Qwen2.5-7B-Instruct", 64, 323),
    ],
)
def test_adapters_in_half_precision_have_the_size_that_was_measured(
    name: str, rank: int, megabytes: float
) -> None:
    estimate = 2 * find_shape(name).adapter_parameters(rank, TARGETS)
    assert estimate == pytest.approx(megabytes * 1e6, rel=0.01)


def test_the_cache_is_as_large_as_the_engine_s(tmp_path: Path) -> None:
    folder = tiny_qwen(tmp_path)
    cache = KvCache(AutoConfig.from_pretrained(folder), 3, 50, torch.bfloat16, CPU)
    allocated = sum(cache.keys(layer).nbytes + cache.values(layer).nbytes for layer in range(3))
    assert 3 * 50 * kv_token_bytes(find_shape(str(folder)), "bfloat16") == allocated


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_are_what_autograd_keeps(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = tiny_qwen(tmp_path)
    # As on a GPU; a CPU's kernel keeps tensors of the same shapes.
    model = AdaptedModel(folder, LoraSettings(rank=4, alpha=8), dtype, CPU, seed=0, in_one_call=True)
    prompts = [tuple((7 * first + j * j + first * j) % 97 for j in range(1, 110)) for first in (1, 2, 3)]
    (packed,) = pack([TokenSequence(prompt, (5,)) for prompt in prompts], 1024, CPU)
    kept = _kept_bytes(model, packed)
    shape, tokens, size = find_shape(str(folder)), len(packed.token_ids), dtype.itemsize
    estimate = activation_bytes(shape, tokens, size, 4, TARGETS) + tokens * tokens * size
    assert len(packed.token_ids) == 3 * 109
    assert estimate == pytest.approx(kept, rel=0.04)


def test_checkpointed_blocks_keep_their_inputs_and_one_is_computed_again(tmp_path: Path) -> None:
    folder = tiny_qwen(tmp_path)
    model = AdaptedModel(
        folder, LoraSettings(rank=4, alpha=8), torch.float32, CPU, seed=0, in_one_call=True, checkpointed=True
    )
    (packed,) = pack([TokenSequence(tuple(range(90)), (5,))], 1024, CPU)
    inputs: list[torch.Tensor] = []
    blocks = model.peft.get_base_model().model.layers
    for block in blocks:
        block.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    kept = _kept_bytes(model, packed)
    shape, tokens = find_shape(str(folder)), len(packed.token_ids)
    saved = activation_bytes(shape, tokens, 4, 4, TARGETS)
    of_blocks = sum(tensor.nbytes for tensor in inputs)
    assert len(inputs) == 3
    assert checkpointed_bytes(shape, tokens, 4, saved) == of_blocks + saved // 3
    # Of the rest of the model, little is kept: the last norm and the scores of one answer.
    assert kept < 0.1 * saved


def _kept_bytes(model: AdaptedModel, packed) -> int:
    """Of all tensors that the forward pass saves, each once, the model's own left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.peft.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = model.answer_scores(packed, PLANNER, torch.ones(len(packed.targets)))
    assert scores.logprobs.requires_grad
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)


def test_trained_parameters_take_sixteen_bytes_under_update_and_twelve_otherwise() -> None:
    configuration = Configuration.model_validate({"lora": {"rank": 16}})
    shape = find_shape("bundled")
    estimate = learner_memory(shape, configuration)
    trained = sum(estimate.of(what) for what in ("adapters", "gradients", "AdamW moments"))
    assert trained == (16 + 12) * shape.adapter_parameters(16, TARGETS)


@pytest.mark.parametrize(
    ("changes", "adapters"),
    [
        ({}, 2),
        ({"estimator": {"estimator": "grpo"}, "learner": {"group_size": 4}}, 2),
        ({"estimator": {"estimator": "grpo"}, "learner": {"group_size": 4}, "ppo": {"kl_coefficient": 0}}, 0),
    ],
)
def test_the_adapters_of_version_0_are_held_for_critic_or_kl(changes: dict[str, Any], adapters: int) -> None:
    configuration = Configuration.model_validate(changes)
    shape = find_shape("bundled")
    items = {item.what: item.bytes for item in learner_memory(shape, configuration).items}
    one = 4 * shape.adapter_parameters(configuration.lora.rank, TARGETS)
    assert items.get("adapters of version 0", 0) == adapters * one


@pytest.mark.parametrize(
    ("stage", "moments", "copies", "gradients"), [(0, 16, 8, 8), (1, 4, 8, 8), (2, 4, 8, 5), (3, 4, 2, 5)]
)
def test_zero_shares_out_what_deepspeed_holds(stage: int, moments: int, copies: int, gradients: int) -> None:
    configuration = Configuration.model_validate({"learner": {"ranks": 4, "zero_stage": stage}})
    shape = find_shape("bundled")
    adapter = shape.adapter_parameters(configuration.lora.rank, TARGETS)
    estimate = learner_memory(shape, configuration)
    assert estimate.of("AdamW moments") == moments * adapter
    assert estimate.of("DeepSpeed's adapters") == copies * adapter
    assert estimate.of("DeepSpeed's gradients") == gradients * adapter
    assert memory_report(configuration, 80).remarks[0] == "6 GPUs of 80 GiB, one for each process"


def test_vllm_fills_its_share_and_says_how_many_sequences_that_holds() -> None:
    shape = find_shape("Qwen/Qwen2.5-7B-Instruct")
    settings = ModelServerSettings(engine="vllm", dtype="bfloat16", context_length=2112, max_batch=128)
    large, small = (
        server_memory("planner", shape, settings, LoraSettings(), size * GIB) for size in (80, 20)
    )
    assert large.bytes == pytest.approx(0.92 * 80 * GIB, abs=1)
    assert large.warnings == small.warnings == ()
    assert "less than max_batch = 128" in small.remarks[0]
    assert "less than" not in large.remarks[0]


def test_a_gpu_that_is_too_small_is_warned_of() -> None:
    seven = {"model": "Qwen/Qwen2.5-7B-Instruct"}
    configuration = Configuration.model_validate(
        {
            "planner": {**seven, "engine": "vllm", "address": "one:7001"},
            "executor": {**seven, "address": "two:7002"},
            "learner": {**seven, "address": "three:7003"},
        }
    )
    planner, executor, learner = memory_report(configuration, 16).warnings
    assert planner.startswith("the planner does not fit: it needs ")
    assert executor.startswith("the executor does not fit: it needs ")
    assert learner.startswith("the learner does not fit: it needs ")
    assert (
        memory_report(configuration, 17.5)
        .warnings[0]
        .startswith("the planner does not fit: with one sequence of 1024 tokens it needs 1")
    )
    assert memory_report(configuration, 80).warnings == ()


def test_services_of_one_machine_share_its_first_gpu() -> None:
    assert memory_report(Configuration(), 80).warnings == ()
    two = Configuration.model_validate({"planner": {"engine": "vllm"}, "learner": {"address": "far:7003"}})
    (warning,) = memory_report(two, 4).warnings
    assert warning.startswith("planner, executor have no address")


def test_a_context_longer_than_the_model_s_is_warned_of() -> None:
    configuration = Configuration.model_validate({"planner": {"context_length": 9000}})
    assert (
        "planner.context_length = 9000: this model takes at most 8192 tokens"
        in memory_report(configuration, 80).warnings
    )


def test_an_unknown_model_leaves_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = {"model": "somebody/unheard-of"}
    configuration = Configuration.model_validate(
        {
            "environment": {"source": "generated", "generator": {"games": 6}},
            "planner": {**unknown, "engine": "vllm"},
            "executor": unknown,
            "learner": unknown,
        }
    )
    assert dry_run(configuration, 80, Console()) == 0
    output = capsys.readouterr().out
    assert "# the shape of model somebody/unheard-of is not known: " in output
    assert "vLLM's share" in output
    assert output.count("without the model") == 3


def test_a_folder_that_is_no_decoder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(UnknownShapeError, match="config.json has no readable 'num_attention_heads'"):
        find_shape(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnknownShapeError, match="cannot be read"):
        find_shape(str(tmp_path))


def test_the_table_says_what_checkpointing_saves() -> None:
    shape = find_shape("Qwen/Qwen2.5-1.5B-Instruct")
    whole, less = (
        learner_memory(shape, Configuration.model_validate({"learner": {"gradient_checkpointing": on}}))
        for on in (False, True)
    )
    assert less.of("activations") < 0.1 * whole.of("activations")
    (of_whole,), (of_less,) = (
        [item.how for item in memory.items if item.what == "activations"] for memory in (whole, less)
    )
    assert of_whole.endswith(f"; {less.of('activations') / GIB:.2f} with learner.gradient_checkpointing")
    assert of_less.endswith(f"; {whole.of('activations') / GIB:.2f} without learner.gradient_checkpointing")


def test_ranks_that_divide_the_base_hold_a_part_of_each_block_and_one_whole() -> None:
    shape = find_shape("bundled")
    shared = {"ranks": 4, "shard_base": True, "gradient_checkpointing": True, "dtype": "bfloat16"}
    estimate = learner_memory(shape, Configuration.model_validate({"learner": shared}))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**PUBLISHED_CONFIGS[BUNDLED_NAME]))
    blocks = [sum(p.numel() for p in block.parameters()) for block in model.model.layers]
    others = sum(p.numel() for p in model.parameters()) - sum(blocks)
    assert estimate.of("weights") == 2 * (others + sum(blocks) // 4 + blocks[0])


def test_blocks_without_an_adapter_keep_nothing_for_a_backward_pass() -> None:
    shape = find_shape("bundled")
    whole, third = (
        learner_memory(shape, Configuration.model_validate({"lora": {"last_layers": layers}}))
        for layers in (None, shape.layers // 3)
    )
    for what in ("adapters", "AdamW moments", "activations"):
        assert whole.of(what) == 3 * third.of(what)
    assert whole.of("weights") == third.of("weights")


def test_a_base_in_four_bits_has_the_bytes_of_the_estimate(tmp_path: Path) -> None:
    need("bitsandbytes", "bitsandbytes")
    from bitsandbytes.nn import Linear4bit

    folder, lora = tiny_qwen(tmp_path), LoraSettings(rank=4, alpha=8)
    model = AdaptedModel(folder, lora, torch.bfloat16, CPU, seed=0, quantization="nf4").peft.get_base_model()
    shape = find_shape(str(folder))
    weights = [one.weight for one in model.modules() if isinstance(one, Linear4bit)]
    small = sum(weight.nbytes + weight.quant_state.absmax.nbytes for weight in weights)
    assert small == shape.linear_parameters * (1 / 2 + 1 / 64)
    held = {id(weight) for weight in weights}
    others = sum(p.nbytes for n, p in model.named_parameters() if id(p) not in held and "lora_" not in n)
    assert others == 2 * (shape.parameters - shape.linear_parameters)
    learner = {"quantization": "nf4", "dtype": "bfloat16"}
    estimate = learner_memory(shape, Configuration.model_validate({"learner": learner})).of("weights")
    # The scales of the scales are too few to matter.
    assert estimate == pytest.approx(small + others, rel=0.001)
