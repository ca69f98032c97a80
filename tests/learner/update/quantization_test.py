"""A base model in 4 bits, against the same model with the weights that 4 bits stand for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from configuration.learner import LearnerSettings, LoraSettings
from core.errors import ConfigurationError
from core.role import Role
from learner.update.packing import TokenSequence, pack
from learner.update.policy import PLANNER, AdaptedModel
from learner.update.quantization import nf4
from learner.update.trainer import Trainer
from serving.adapters.folder import WEIGHTS_FILE, base_shapes, check_adapter
from serving.model import ModelFolder
from tests.extras import need
from tests.learner.tiny import episodes, settings, tiny_model

CPU = torch.device("cpu")
LORA = LoraSettings(rank=4, alpha=8)
SEQUENCES = [TokenSequence((5, 6, 7, 8), (12, 13, 14)), TokenSequence((5, 6, 9), (15, 16))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    command = "HIPER_EXTRAS=bitsandbytes ./bazelw run //orchestrator:train -- --learner.quantization nf4"
    with pytest.raises(ConfigurationError, match=f"learner.quantization = nf4 needs .* as in: {command}$"):
        nf4(torch.bfloat16)
    monkeypatch.setenv("HIPER_INSTALLED", "1")
    with pytest.raises(ConfigurationError, match=r"pip install '\.\[bitsandbytes\]' in the checkout"):
        nf4(torch.bfloat16)


def restored(model: AdaptedModel, base: ModelFolder, folder: Path) -> ModelFolder:
    """The base model with the weights that those of `model` stand for."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    plain = AutoModelForCausalLM.from_pretrained(base.path)
    with torch.no_grad():
        for name, module in model.peft.get_base_model().named_modules():
            if isinstance(module, Linear4bit):
                target = plain.get_submodule(name.removesuffix(".base_layer"))
                target.weight.copy_(dequantize_4bit(module.weight, module.weight.quant_state))
    plain.save_pretrained(folder)
    return ModelFolder(folder, "restored", "restored")


def scores_and_gradients(model: AdaptedModel) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Of an adapter that changes something; computed without gradients first, as in an update."""
    generator, parameters = torch.Generator().manual_seed(1), model.parameters_of(PLANNER)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.normal_(0, 0.2, generator=generator)
    (packed,) = pack(SEQUENCES, 100, CPU)
    temperatures = torch.ones(len(packed.targets))
    with torch.no_grad():
        before = model.answer_scores(packed, PLANNER, temperatures).logprobs
    after = model.answer_scores(packed, PLANNER, temperatures).logprobs
    torch.testing.assert_close(before, after.detach())
    after.square().sum().backward()
    return after.detach(), {name: p.grad for name, p in parameters.items() if p.grad is not None}


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_it_computes_what_the_weights_in_full_would(
    base: ModelFolder, tmp_path: Path, dtype: torch.dtype, tolerance: float, checkpointed: bool
) -> None:
    need("bitsandbytes", "bitsandbytes")
    small = AdaptedModel(base.path, LORA, dtype, CPU, seed=0, checkpointed=checkpointed, quantization="nf4")
    full = AdaptedModel(
        restored(small, base, tmp_path).path, LORA, dtype, CPU, seed=0, checkpointed=checkpointed
    )
    (scores, gradients), (wanted, expected) = scores_and_gradients(small), scores_and_gradients(full)
    assert not torch.equal(wanted, scores_and_gradients(AdaptedModel(base.path, LORA, dtype, CPU, seed=0))[0])
    torch.testing.assert_close(scores, wanted, atol=tolerance, rtol=tolerance)
    assert gradients.keys() == expected.keys() == small.parameters_of(PLANNER).keys()
    whole = torch.cat([gradients[name].flatten() for name in expected])
    difference = torch.cat([(gradients[name] - expected[name]).flatten() for name in expected])
    assert difference.norm() < tolerance * whole.norm()


def test_an_update_trains_adapters_that_servers_take(base: ModelFolder, tmp_path: Path) -> None:
    need("bitsandbytes", "bitsandbytes")
    learner = LearnerSettings(dtype="float32", threads=1, pack_tokens=128, quantization="nf4")
    trainer = Trainer(settings(learner=learner), base, seed=0)
    trainer.save_adapter(Role.PLANNER, tmp_path / "before")
    metrics = trainer.update(episodes(base), lambda share, message: None).metrics
    assert trainer.version == 1 and metrics["actor/planner/skipped_steps"] == 0
    # The model with its weights in full gave the answers; the rounding to 4 bits is the difference.
    assert 1e-3 < metrics["actor/planner/sampler_difference"] < 1
    trainer.save_adapter(Role.PLANNER, tmp_path / "after")
    check_adapter(tmp_path / "after", base_shapes(base.path), 4)
    before, after = ((tmp_path / name / WEIGHTS_FILE).read_bytes() for name in ("before", "after"))
    assert before != after
    trainer.save_checkpoint(tmp_path / "1", consumed=())
    again = Trainer(settings(learner=learner), base, seed=5)
    again.load_checkpoint(tmp_path / "1")
    assert again.version == 1
