"""Teaches a small transformer from scratch: what to answer, and what transcripts look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from learner import attention
from learner.nano.corpus import Lesson
from learner.nano.settings import NanoSettings
from learner.packing import Pack, pack

_WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""
_LOWEST = 0.1
"""Share of the highest learning rate that the last step has."""
_BETAS = (0.9, 0.98)
_WEIGHT_DECAY = 0.01
_MAX_GRADIENT_NORM = 1.0
_PACK_TOKENS = 2048

OnStep = Callable[[int, float], None]
"""Told each step's number, from 1, and its loss in nats a token of an answer."""


def new_model(settings: NanoSettings, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A llama with tied embeddings and random weights, which follow from the seed alone."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.longest_context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).float()
    model.set_attn_implementation(attention.NAME)
    return model


class Teacher:
    """Muon on the matrices of the layers, AdamW on embeddings and norms; rates rise, then fall to a tenth.

    Muon reaches a given loss in fewer steps than AdamW alone, and on a CPU each step counts.
    """

    def __init__(self, model: LlamaForCausalLM, settings: NanoSettings, seed: int) -> None:
        self._model, self._settings = model, settings
        self._generator = np.random.default_rng(seed)
        self._steps = settings.skilled_steps + settings.erring_steps
        self._done = 0
        matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        rate = settings.learning_rate
        self._optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Muon(matrices, lr=rate, weight_decay=_WEIGHT_DECAY), rate),
            (torch.optim.AdamW(others, lr=rate / 10, betas=_BETAS, weight_decay=_WEIGHT_DECAY), rate / 10),
        ]

    def teach(self, lessons: Sequence[Lesson], steps: int, on_step: OnStep) -> None:
        """The next `steps` steps of the course, on lessons in random order, without replacement at first."""
        size = self._settings.batch_episodes
        passes = -(-steps * size // len(lessons))
        order = np.concatenate([self._generator.permutation(len(lessons)) for _ in range(passes)])
        for step in range(steps):
            batch = [lessons[place] for place in order[step * size : (step + 1) * size]]
            loss = self._step(batch)
            on_step(self._done, loss)

    def _step(self, batch: Sequence[Lesson]) -> float:
        loss = _backward(self._model, batch, self._settings.transcript_weight)
        nn.utils.clip_grad_norm_(self._model.parameters(), _MAX_GRADIENT_NORM)
        share = _schedule(self._done / self._steps)
        for optimizer, rate in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._done += 1
        return loss


def _schedule(done: float) -> float:
    if done < _WARM_UP:
        return (done + 1e-3) / _WARM_UP
    falling = math.cos(math.pi / 2 * (done - _WARM_UP) / (1 - _WARM_UP)) ** 2
    return _LOWEST + (1 - _LOWEST) * falling


def _backward(model: LlamaForCausalLM, lessons: Sequence[Lesson], transcript_weight: float) -> float:
    """Adds up gradients; returns the mean loss of the answers' tokens alone."""
    sequences = [s for lesson in lessons for s in (*lesson.answers, lesson.transcript)]
    is_answer = [yes for lesson in lessons for yes in (*(True for _ in lesson.answers), False)]
    answer_tokens = sum(len(s.response_ids) for s, yes in zip(sequences, is_answer, strict=True) if yes)
    other_tokens = sum(len(s.response_ids) for s in sequences) - answer_tokens
    total = answer_tokens + transcript_weight * other_tokens
    loss = 0.0
    for one in pack(sequences, _PACK_TOKENS, model.device):
        counts = torch.tensor([len(sequences[member].response_ids) for member in one.members])
        answers = torch.tensor([is_answer[member] for member in one.members]).repeat_interleave(counts)
        losses = token_losses(model, one)
        (torch.where(answers, losses, transcript_weight * losses).sum() / total).backward()
        loss += float(losses.detach()[answers].sum())
    return loss / answer_tokens


def token_losses(model: LlamaForCausalLM, one: Pack) -> Tensor:
    """[R] cross entropy in nats of the answers' tokens of a pack."""
    output = model.model(
        input_ids=one.token_ids[None], position_ids=one.positions[None], use_cache=False, pack=one
    )
    logits = model.lm_head(output.last_hidden_state[0][one.predicting])
    return nn.functional.cross_entropy(logits, one.targets, reduction="none")
