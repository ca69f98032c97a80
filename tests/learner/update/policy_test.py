"""The adapted model against plain transformers and PEFT on the same tokens."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM

from configuration.learner import LoraSettings, PpoSettings
from core.errors import CorruptDataError, InvalidInputError, NotFoundError, PreconditionError
from learner.update.adapter_files import read_adapter, write_adapter
from learner.update.packing import TokenSequence, pack
from learner.update.policy import EXECUTOR, PLANNER, AdaptedModel
from learner.update.ppo import AnswerTokens, token_losses
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, base_shapes, check_adapter
from serving.adapters.origin import ORIGIN_FILE, AdapterOrigin
from serving.model import ModelFolder
from tests.learner.tiny import plain_logprobs, tiny_model

CPU = torch.device("cpu")
LORA = LoraSettings(rank=4, alpha=8)
BEGIN = (5, 6, 7, 8, 9)
SEQUENCES = [
    TokenSequence((*BEGIN, 10, 11), (12, 13, 14)),
    TokenSequence((*BEGIN, 10, 11), (15,)),
    TokenSequence((*BEGIN, 20, 21, 22), (23, 24)),
    TokenSequence((30, 31), (32, 33, 34, 35)),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(params=[False, True], ids=["branch by branch", "in one call"])
def model(base: ModelFolder, request: pytest.FixtureRequest) -> AdaptedModel:
    """With adapters that change something."""
    made = AdaptedModel(base.path, LORA, torch.float32, CPU, seed=0, in_one_call=request.param)
    for adapter in (PLANNER, EXECUTOR):
        _filled(made, adapter)
    return made


def packed_logprobs(
    model: AdaptedModel, adapter: str | None, pack_tokens: int, temperature: float = 1.0
) -> list[torch.Tensor]:
    """One tensor a sequence."""
    found: list[torch.Tensor] = [torch.empty(0)] * len(SEQUENCES)
    for one in pack(SEQUENCES, pack_tokens, CPU):
        scores = model.answer_scores(one, adapter, torch.full((len(one.targets),), temperature))
        lengths = [len(SEQUENCES[place].response_ids) for place in one.members]
        for place, logprobs in zip(one.members, scores.logprobs.split(lengths), strict=True):
            found[place] = logprobs
    return found


def separate_model(model: AdaptedModel, base: ModelFolder, adapter: str, folder: Path) -> peft.PeftModel:
    """The adapter as PEFT itself loads it, on transformers' own attention."""
    write_adapter(model.peft, adapter, base.name, AdapterOrigin(base.fingerprint, adapter, 1), folder)
    loaded = AutoModelForCausalLM.from_pretrained(base.path, attn_implementation="eager")
    return peft.PeftModel.from_pretrained(loaded, folder, is_trainable=True)


@pytest.mark.parametrize("pack_tokens", [8, 14, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_log_probabilities_are_those_of_separate_passes(
    model: AdaptedModel, base: ModelFolder, tmp_path: Path, pack_tokens: int, temperature: float
) -> None:
    separate = separate_model(model, base, PLANNER, tmp_path)
    packed = packed_logprobs(model, PLANNER, pack_tokens, temperature)
    for sequence, logprobs in zip(SEQUENCES, packed, strict=True):
        expected = plain_logprobs(separate, sequence.prompt_ids, sequence.response_ids, temperature)
        torch.testing.assert_close(logprobs, expected, atol=1e-4, rtol=1e-4)


def test_packed_gradients_are_those_of_separate_passes(
    model: AdaptedModel, base: ModelFolder, tmp_path: Path
) -> None:
    separate = separate_model(model, base, EXECUTOR, tmp_path)
    sum(p.square().sum() for p in packed_logprobs(model, EXECUTOR, 14)).backward()
    sum(plain_logprobs(separate, s.prompt_ids, s.response_ids).square().sum() for s in SEQUENCES).backward()
    expected = {n.replace(".default.", "."): p.grad for n, p in separate.named_parameters() if "lora_" in n}
    own = model.parameters_of(EXECUTOR)
    assert own.keys() == expected.keys()
    for name, parameter in own.items():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("in_one_call", [False, True])
def test_checkpointed_blocks_give_the_same_gradients(
    base: ModelFolder, dtype: torch.dtype, in_one_call: bool
) -> None:
    plain, checkpointed = (
        AdaptedModel(base.path, LORA, dtype, CPU, seed=0, in_one_call=in_one_call, checkpointed=checkpointed)
        for checkpointed in (False, True)
    )
    found = []
    for one in (plain, checkpointed):
        computed = _counted(one)
        parameters = _filled(one, PLANNER)
        with torch.no_grad():
            packed_logprobs(one, PLANNER, 100)
        first = len(computed)
        logprobs = packed_logprobs(one, PLANNER, 100)
        sum(p.square().sum() for p in logprobs).backward()
        found.append((torch.cat(logprobs), parameters, first, len(computed)))
    (scores, gradients, _, once), (same, again, without, twice) = found
    # Two blocks, without a gradient and with one; only with one, each is computed a second time.
    assert (once, without, twice) == (4, 2, 6)
    assert torch.equal(scores, same)
    for name, parameter in gradients.items():
        torch.testing.assert_close(again[name].grad, parameter.grad, atol=1e-6, rtol=1e-5)


def _counted(model: AdaptedModel) -> list[None]:
    """A list that grows by one with each computation of a block's MLP."""
    counted: list[None] = []
    for layer in model.peft.get_base_model().model.layers:
        layer.mlp.register_forward_pre_hook(lambda *_: counted.append(None))
    return counted


def _filled(model: AdaptedModel, adapter: str) -> dict[str, torch.nn.Parameter]:
    """The adapter's parameters, which now change something."""
    generator, parameters = torch.Generator().manual_seed(1), model.parameters_of(adapter)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.normal_(0, 0.2, generator=generator)
    return parameters


def test_without_an_adapter_it_is_the_base_model(model: AdaptedModel, base: ModelFolder) -> None:
    plain = AutoModelForCausalLM.from_pretrained(base.path)
    for sequence, logprobs in zip(SEQUENCES, packed_logprobs(model, None, 100), strict=True):
        expected = plain_logprobs(plain, sequence.prompt_ids, sequence.response_ids)
        torch.testing.assert_close(logprobs, expected, atol=1e-4, rtol=1e-4)


def test_fresh_adapters_change_nothing_and_follow_from_the_seed(base: ModelFolder) -> None:
    one, other = (AdaptedModel(base.path, LORA, torch.float32, CPU, seed=3) for _ in range(2))
    for adapter in (PLANNER, EXECUTOR):
        for name, parameter in one.parameters_of(adapter).items():
            assert torch.equal(parameter, other.parameters_of(adapter)[name])
            assert ("lora_B" in name) == bool((parameter == 0).all())
    assert torch.equal(
        torch.cat(packed_logprobs(one, PLANNER, 100)), torch.cat(packed_logprobs(one, None, 100))
    )


def test_gradients_stay_with_the_adapter_that_is_on(model: AdaptedModel) -> None:
    sum(p.sum() for p in packed_logprobs(model, PLANNER, 100)).backward()
    assert all(p.grad is not None for p in model.parameters_of(PLANNER).values())
    assert all(p.grad is None for p in model.parameters_of(EXECUTOR).values())
    sum(p.sum() for p in packed_logprobs(model, EXECUTOR, 100)).backward()
    assert all(p.grad is not None for p in model.parameters_of(EXECUTOR).values())
    assert all(p.grad is None for n, p in model.peft.named_parameters() if "lora_" not in n)


def test_entropy_is_that_of_the_tempered_distribution(model: AdaptedModel, base: ModelFolder) -> None:
    (one,) = pack([TokenSequence((3, 4), (5,))], 10, CPU)
    logits = AutoModelForCausalLM.from_pretrained(base.path)(torch.tensor([[3, 4]])).logits[0, -1] / 0.5
    expected = torch.distributions.Categorical(logits=logits).entropy()
    scores = model.answer_scores(one, None, torch.tensor([0.5]))
    torch.testing.assert_close(scores.entropy[0], expected, atol=1e-4, rtol=1e-4)


def test_bfloat16_is_near_float32(model: AdaptedModel, base: ModelFolder, tmp_path: Path) -> None:
    separate_model(model, base, PLANNER, tmp_path)
    narrow = AdaptedModel(base.path, LORA, torch.bfloat16, CPU, seed=0)
    read_adapter(narrow.peft, PLANNER, base.fingerprint, tmp_path)
    assert all(p.dtype is torch.float32 for p in narrow.parameters_of(PLANNER).values())
    difference = torch.cat(packed_logprobs(narrow, PLANNER, 14)) - torch.cat(
        packed_logprobs(model, PLANNER, 14)
    )
    assert difference.abs().mean() < 0.1


def test_an_adapter_comes_back_as_it_was_written(
    model: AdaptedModel, base: ModelFolder, tmp_path: Path
) -> None:
    separate_model(model, base, PLANNER, tmp_path)
    fresh = AdaptedModel(base.path, LORA, torch.float32, CPU, seed=9)
    read_adapter(fresh.peft, EXECUTOR, base.fingerprint, tmp_path)
    for name, parameter in fresh.parameters_of(EXECUTOR).items():
        assert torch.equal(parameter, model.parameters_of(PLANNER)[name])
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert (config["base_model_name_or_path"], config["r"], config["lora_alpha"]) == ("tiny", 4, 8)


def test_a_wrong_adapter_is_refused_and_changes_nothing(
    model: AdaptedModel, base: ModelFolder, tmp_path: Path
) -> None:
    separate_model(model, base, PLANNER, tmp_path)
    before = {name: p.detach().clone() for name, p in model.parameters_of(EXECUTOR).items()}
    weights = load_file(tmp_path / WEIGHTS_FILE)
    name = sorted(weights)[0]

    def refused(error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            read_adapter(model.peft, EXECUTOR, base.fingerprint, tmp_path)

    save_file(weights | {name: weights[name][:-1].contiguous()}, tmp_path / WEIGHTS_FILE)
    refused(PreconditionError, "has shape")
    save_file(weights | {name: weights[name] * float("nan")}, tmp_path / WEIGHTS_FILE)
    refused(CorruptDataError, "not finite")
    save_file({n: t for n, t in weights.items() if n != name}, tmp_path / WEIGHTS_FILE)
    refused(PreconditionError, "other layers")
    (tmp_path / WEIGHTS_FILE).write_bytes(b"\x10")
    refused(CorruptDataError, "cannot be read")
    (tmp_path / ORIGIN_FILE).write_text(json.dumps({"base_fingerprint": "another"}))
    save_file(weights, tmp_path / WEIGHTS_FILE)
    refused(PreconditionError, "another base model")
    (tmp_path / WEIGHTS_FILE).unlink()
    refused(NotFoundError, WEIGHTS_FILE)
    assert all(torch.equal(p, before[n]) for n, p in model.parameters_of(EXECUTOR).items())


def test_layers_that_the_model_lacks_are_named(base: ModelFolder) -> None:
    with pytest.raises(InvalidInputError, match="query_key_value"):
        AdaptedModel(base.path, LoraSettings(targets=("query_key_value",)), torch.float32, CPU, seed=0)


def test_only_the_last_layers_are_adapted_and_the_others_have_no_backward_pass(
    base: ModelFolder, tmp_path: Path
) -> None:
    model = AdaptedModel(base.path, LORA.model_copy(update={"last_layers": 1}), torch.float32, CPU, seed=0)
    names = model.parameters_of(PLANNER)
    assert names and all(".layers.1." in name for name in names)
    (one,) = pack(SEQUENCES, 100, CPU)
    below: list[torch.Tensor] = []
    layers = model.peft.get_base_model().model.layers
    layers[0].register_forward_hook(lambda module, given, output: below.append(output))
    model.answer_scores(one, PLANNER, torch.ones(len(one.targets))).logprobs.sum().backward()
    assert [output.requires_grad for output in below] == [False]
    assert all(parameter.grad is not None for parameter in names.values())

    with torch.no_grad():
        for parameter in names.values():
            parameter.normal_(0, 0.2)
    separate = separate_model(model, base, PLANNER, tmp_path)
    for sequence, logprobs in zip(SEQUENCES, packed_logprobs(model, PLANNER, 100), strict=True):
        expected = plain_logprobs(separate, sequence.prompt_ids, sequence.response_ids)
        torch.testing.assert_close(logprobs, expected, atol=1e-4, rtol=1e-4)
    check_adapter(tmp_path, base_shapes(base.path), max_rank=4)


@pytest.mark.parametrize("last_layers", [2, 16])
def test_all_layers_are_adapted_where_a_model_has_no_more(base: ModelFolder, last_layers: int) -> None:
    lora = LORA.model_copy(update={"last_layers": last_layers})
    model = AdaptedModel(base.path, lora, torch.float32, CPU, seed=0)
    every = AdaptedModel(base.path, LORA, torch.float32, CPU, seed=0)
    assert model.parameters_of("planner").keys() == every.parameters_of("planner").keys()


class Waiting(TorchDispatchMode):
    """Collects the operations for which a GPU would be waited for, because their results decide what follows
    on the CPU: numbers read from a tensor, and results whose size depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: torch._ops.OpOverload, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        boolean = func.overloadpacket.__name__ in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype is torch.bool for index in args[1]
        )
        if boolean or func.overloadpacket.__name__ in (
            "_local_scalar_dense",
            "equal",
            "is_nonzero",
            "masked_select",
            "nonzero",
            "unique_dim",
        ):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_pass_never_waits_for_the_device(base: ModelFolder) -> None:
    model = AdaptedModel(base.path, LORA, torch.float32, CPU, seed=0, in_one_call=True)
    (one,) = pack(SEQUENCES, 100, CPU)
    count = len(one.targets)
    tokens = AnswerTokens(
        sampled=torch.full((count,), -1.0),
        advantages=torch.linspace(-1, 1, count),
        learns=torch.arange(count) % 2 == 0,
        temperatures=torch.ones(count),
    )
    waiting = Waiting()
    with waiting:
        model.features(one, None)
        scores = model.answer_scores(one, PLANNER, tokens.temperatures)
        sums = token_losses(scores, tokens.sampled, scores.logprobs.detach(), tokens, PpoSettings())
        (sums.loss / 3).backward()
        assert not waiting.found
        float(sums.loss.detach())
    assert waiting.found == ["aten._local_scalar_dense.default"], "what is looked for is found"
