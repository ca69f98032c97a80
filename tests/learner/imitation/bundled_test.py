"""The bundled model on a real demonstration: packed with shared prefixes against one pass a sequence."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.learner import ImitationSettings, LoraSettings
from configuration.servers import PlannerSettings
from environments.registry import load
from learner.imitation.demonstrations import Formats
from learner.imitation.lessons import training_lessons
from learner.update.packing import TokenSequence, computed_tokens, pack
from learner.update.policy import PLANNER, AdaptedModel
from serving.model import load_tokenizer, resolve_model
from tests.learner.tiny import plain_logprobs

CPU = torch.device("cpu")


def test_packed_equals_separate_on_real_prompts() -> None:
    torch.set_num_threads(1)
    base = resolve_model("bundled")
    benchmark = load(
        EnvironmentSettings(source="generated", generator=GeneratorSettings(games=6, horizon="short"))
    )
    formats = Formats.of(load_tokenizer(base.path), PlannerSettings(), PlannerSettings())
    (lesson,) = training_lessons(ImitationSettings(games=1), formats, benchmark, seed=0)
    said = [turn.plan.generation for turn in lesson.episode.turns[:3]]
    sequences = [TokenSequence(generation.prompt_ids, generation.token_ids) for generation in said]
    packs = pack(sequences, 1024, CPU)
    assert computed_tokens(packs) < 0.8 * sum(len(sequence.computed_ids) for sequence in sequences)

    model = AdaptedModel(base.path, LoraSettings(rank=4), torch.float32, CPU, seed=0)
    (one,) = packs
    with torch.no_grad():
        packed = model.answer_scores(one, PLANNER, torch.ones(len(one.targets))).logprobs
        plain = AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.float32)
        alone = [
            plain_logprobs(plain, sequences[p].prompt_ids, sequences[p].response_ids) for p in one.members
        ]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-3, rtol=1e-4)
