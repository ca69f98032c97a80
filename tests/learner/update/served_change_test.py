"""A small update, and what the engine makes of it in bfloat16."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from configuration.learner import LoraSettings
from core.role import Role
from learner.update.adapter_files import write_adapter
from learner.update.packing import TokenSequence, pack
from learner.update.policy import AdaptedModel
from serving.adapters.origin import AdapterOrigin
from serving.embedded.runner import ModelRunner
from serving.embedded.scheduler import Sequence
from serving.engine import GenerationRequest
from serving.model import ModelFolder, fingerprint
from tests.learner.tiny import WORDS, tiny_model

ADAPTER, STEP = Role.PLANNER.value, 6e-4
CPU = torch.device("cpu")
PROMPTS = [tuple(map(int, words)) for words in np.random.default_rng(0).integers(3, WORDS, (96, 12))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model whose weights are numbers of bfloat16, as most published models' are."""
    folder = tmp_path_factory.mktemp("model")
    tiny_model(folder)
    (file,) = folder.glob("*.safetensors")
    exact = {name: tensor.bfloat16().float() for name, tensor in load_file(file).items()}
    save_file(exact, file, metadata={"format": "pt"})
    return ModelFolder(folder, "tiny", fingerprint(folder))


def logprobs_by_the_learner(model: AdaptedModel) -> torch.Tensor:
    """[prompt, word] log-probabilities of the word after each prompt."""
    found = []
    for prompt in PROMPTS:
        (one,) = pack([TokenSequence(prompt, (word,)) for word in range(WORDS)], 1 << 20, CPU)
        scores = model.answer_scores(one, ADAPTER, torch.ones(len(one.targets))).logprobs
        found.append(scores[one.targets.argsort()])
    return torch.stack(found)


@dataclass(frozen=True)
class Update:
    """An adapter before and after a small update, and how that changes the learner's log-probabilities."""

    before: Path
    after: Path
    said: torch.Tensor
    """[prompt, word] change of the log-probability, in float32."""


@pytest.fixture(scope="module")
def update(base: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Update:
    """Adam's first step from a fresh adapter: each parameter moves by STEP, to make a word more likely."""
    model = AdaptedModel(base.path, LoraSettings(rank=4, alpha=8), torch.float32, CPU, seed=0)
    earlier, later = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    origin = AdapterOrigin(base.fingerprint, ADAPTER, version=0)
    write_adapter(model.peft, ADAPTER, base.name, origin, earlier)
    before = logprobs_by_the_learner(model)
    before[:, 7].sum().backward()
    with torch.no_grad():
        for parameter in model.parameters_of(ADAPTER).values():
            parameter.add_(parameter.grad.sign(), alpha=STEP)
        said = logprobs_by_the_learner(model) - before
    write_adapter(model.peft, ADAPTER, base.name, origin, later)
    return Update(earlier, later, said)


def served(runner: ModelRunner, adapter: Path) -> torch.Tensor:
    """[prompt, word] log-probabilities as `logprobs_by_the_learner`, by an engine with this adapter."""
    runner.weights.use(runner.weights.stage(adapter), adapter)
    runner.forget()
    asked = [GenerationRequest(prompt, 1, 1.0, 0, frozenset()) for prompt in PROMPTS]
    logits, _ = runner.forward([], [Sequence(one, Future()) for one in asked])
    return logits.float().log_softmax(-1)


def engine(base: ModelFolder, dtype: torch.dtype) -> ModelRunner:
    return ModelRunner(base.path, dtype, CPU, max_batch=len(PROMPTS), context_length=64)


def test_in_float32_a_small_update_changes_log_probabilities_as_the_learner_says(
    base: ModelFolder, update: Update
) -> None:
    runner = engine(base, torch.float32)
    before, after = (served(runner, each) for each in (update.before, update.after))
    assert (after - before - update.said).norm() < 0.01 * update.said.norm()


def test_an_engine_in_bfloat16_serves_the_whole_of_a_small_update_on_average(
    base: ModelFolder, update: Update
) -> None:
    runner = engine(base, torch.bfloat16)
    before, after = (served(runner, each) for each in (update.before, update.after))
    # The slope of the one change over the other averages over the noise of bfloat16's activations. If merged
    # weights are rounded to the nearest number, it is 0.59.
    slope = ((after - before) * update.said).sum() / update.said.square().sum()
    assert float(slope) == pytest.approx(1, abs=0.2)
