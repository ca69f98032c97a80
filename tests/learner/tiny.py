"""A random llama of 90,000 parameters, and episodes whose answers it could have sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from configuration.learner import CriticSettings, LearnerSettings, LoraSettings, PpoSettings
from learner.update.trainer import TrainerSettings
from serving.model import ModelFolder, fingerprint
from trajectory.episode import (
    EMPTY_SPAN,
    Act,
    Decision,
    Episode,
    EpisodeKey,
    Generation,
    Plan,
    Span,
    Turn,
)

WORDS = 97


def tiny_model(folder: Path, seed: int = 0, words: int = WORDS, context: int = 256) -> ModelFolder:
    """Its weights are larger than a fresh model's, so that its answers are far from uniform."""
    config = LlamaConfig(
        vocab_size=words,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.15,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return ModelFolder(folder, "tiny", fingerprint(folder))


def settings(
    ppo: PpoSettings | None = None, critic: CriticSettings | None = None, **changed: object
) -> TrainerSettings:
    """float32, one thread, packs that hold a few sequences."""
    made = TrainerSettings(
        learner=LearnerSettings(dtype="float32", threads=1, pack_tokens=128),
        ppo=ppo or PpoSettings(learning_rate=1e-2),
        critic=critic or CriticSettings(),
        lora=LoraSettings(rank=4, alpha=8),
    )
    return replace(made, **changed)


def plain_logprobs(
    model: torch.nn.Module, prompt_ids: Sequence[int], response_ids: Sequence[int], temperature: float = 1.0
) -> torch.Tensor:
    """[R] by a forward pass over the one sequence, as transformers computes it."""
    ids = torch.tensor([[*prompt_ids, *response_ids]])
    logits = model(input_ids=ids).logits[0, len(prompt_ids) - 1 : -1].float() / temperature
    return logits.log_softmax(-1)[torch.arange(len(response_ids)), ids[0, len(prompt_ids) :]]


def episodes(model: ModelFolder, count: int = 4, turns: int = 3, seed: int = 0) -> list[Episode]:
    """Random prompts that begin alike; log-probabilities are those of the base model."""
    generator = np.random.default_rng(seed)
    base = AutoModelForCausalLM.from_pretrained(model.path).eval()
    return [_episode(base, generator, number, turns) for number in range(count)]


def _episode(base: torch.nn.Module, generator: np.random.Generator, number: int, turns: int) -> Episode:
    task = _words(generator, 6)
    won = number % 2 == 0
    played = tuple(_turn(base, generator, task, place, won and place == turns - 1) for place in range(turns))
    return Episode(
        key=EpisodeKey("run", f"task {number // 2}", number, 0),
        number=number,
        group=number // 2,
        lease_id=f"lease {number}",
        benchmark="tiny",
        task_type="tiny",
        goal="goal",
        turns=played,
        terminated=won,
        truncated=not won,
        won=won,
        score=float(won),
        final_observation="end",
        final_planner_prompt_ids=(1, *task, 5),
        final_executor_prompt_ids=(2, *task, 5),
        seconds=1.0,
    )


def _turn(
    base: torch.nn.Module, generator: np.random.Generator, task: tuple[int, ...], place: int, rewarded: bool
) -> Turn:
    switches = place % 2 == 0
    said = _generation(base, generator, (1, *task), 4 if switches else 1)
    decided = EMPTY_SPAN if place == 0 else Span(0, 1)
    plan = Plan(
        decision=Decision.SWITCH if switches else Decision.KEEP,
        subgoal="subgoal",
        valid=True,
        generation=said,
        decision_span=decided,
        subgoal_span=Span(decided.end, 4) if switches else EMPTY_SPAN,
    )
    act = Act("action", place != 1, _generation(base, generator, (2, *task), 3), Span(0, 3))
    return Turn("seen", plan, act, float(rewarded), 0.1, 0.01)


def _generation(
    base: torch.nn.Module, generator: np.random.Generator, begin: tuple[int, ...], length: int
) -> Generation:
    prompt, answer = begin + _words(generator, 9), _words(generator, length)
    with torch.no_grad():
        logprobs = plain_logprobs(base, prompt, answer)
    return Generation(prompt, answer, tuple(map(float, logprobs)), 0, 1.0, False, 0.05)


def _words(generator: np.random.Generator, count: int) -> tuple[int, ...]:
    return tuple(map(int, generator.integers(3, WORDS, count)))
