"""The sides of the comparisons that learn, on a tiny model: they compute what the learner computes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from benchmarks.critic import BEFORE, POLICIES, TODAY, GradientCritic, Update
from benchmarks.training import logprobs
from configuration.learner import LearnerSettings, LoraSettings
from configuration.tree import Configuration
from learner.update.policy import AdaptedModel, lora_config
from serving.model import ModelFolder
from tests.learner.tiny import episodes, plain_logprobs, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def adapted(model: ModelFolder) -> AdaptedModel:
    return AdaptedModel(model.path, LoraSettings(rank=4), torch.float32, torch.device("cpu"), seed=0)


def test_a_padded_batch_has_the_log_probabilities_of_its_answers(model: ModelFolder) -> None:
    turns = [turn for episode in episodes(model) for turn in episode.turns]
    batch = [said for turn in turns[:3] for said in (turn.plan.generation, turn.act.generation)]
    assert len({len(said.prompt_ids) for said in batch}) == 1 < len({len(said.token_ids) for said in batch})
    batch[0] = replace(batch[0], prompt_ids=batch[0].prompt_ids[3:])
    base = AutoModelForCausalLM.from_pretrained(model.path).eval()
    alone = [plain_logprobs(base, said.prompt_ids, said.token_ids).sum() for said in batch]
    found = logprobs(get_peft_model(base, lora_config(base, LoraSettings(rank=4))), batch, torch.float32)
    torch.testing.assert_close(found, torch.stack(alone), atol=1e-4, rtol=1e-4)


def test_both_critics_are_timed(model: ModelFolder) -> None:
    c = Configuration(learner=LearnerSettings(dtype="float32", threads=1, pack_tokens=128))
    seconds = Update(c, model, episodes(model, count=8)).rounds(2, lambda *_: None).seconds
    assert {part: len(times) for part, times in seconds.items()} == dict.fromkeys(
        (*TODAY, *POLICIES, *BEFORE), 2
    )


def test_the_earlier_critic_learns(model: ModelFolder, adapted: AdaptedModel) -> None:
    prompts = [turn.plan.generation.prompt_ids for one in episodes(model) for turn in one.turns]
    critic = GradientCritic(adapted, "planner", heads=3, pack_tokens=64)
    old = critic.values(prompts)
    target = old + 0.3
    for _ in range(5):
        critic.update(prompts, old, target)
    assert (critic.values(prompts) - target).abs().mean() < (old - target).abs().mean()
