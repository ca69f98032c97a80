"""Trains a small transformer from scratch, on answers and on transcripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from serving.model import compute_dtype
from studies.nano.looking_back import look_back
from studies.nano.settings import NanoSettings
from studies.nano.trees import Batch, Tree

_WARM_UP = 15
"""Number of steps in which the learning rate rises."""
_LOWEST = 0.1
"""Learning rate of the last step as a share of the highest."""
_BETAS = (0.9, 0.98)
_WEIGHT_DECAY = 0.01
_MAX_GRADIENT_NORM = 1.0
_ATTENTION = "hiper_nano"

OnStep = Callable[[int, float], None]
"""Callback for each step's number, from 1, and its loss in nats per answer token."""


def new_model(settings: NanoSettings, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A llama with tied embeddings and random weights that depend on the seed alone.

    Some heads of the first layer already look back at the preceding tokens (`look_back`).
    """
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
    look_back(model, settings.look_back_heads)
    model.set_attn_implementation(_ATTENTION)
    return model


def reloaded(folder: Path) -> LlamaForCausalLM:
    """A model made with `new_model`, read from its folder for further training."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.set_attn_implementation(_ATTENTION)
    return model


class Teacher:
    """Trains with Muon on the layers' matrices and AdamW on the rest; rates rise, then fall to a tenth.

    Muon reaches a given loss in fewer steps than AdamW alone, and on a CPU every step is expensive. Products
    are computed in bfloat16 if the hardware supports it; weights are float32.
    """

    def __init__(self, model: LlamaForCausalLM, settings: NanoSettings, seed: int) -> None:
        self._model, self._settings = model, settings
        self._generator = np.random.default_rng(seed)
        self._dtype = compute_dtype("auto")
        matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        rate = settings.learning_rate
        self._optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Muon(matrices, lr=rate, weight_decay=_WEIGHT_DECAY), rate),
            (torch.optim.AdamW(others, lr=0.4 * rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY), 0.4 * rate),
        ]

    def teach(self, trees: Sequence[Tree], steps: int, rate: float, on_step: OnStep) -> None:
        """Trains on lessons in random order, on each as often as on the others.

        Args:
            trees: The lessons.
            steps: Number of optimizer steps.
            rate: Factor of the learning rates.
            on_step: Callback for each step.
        """
        size = self._settings.batch_episodes
        passes = -(-steps * size // len(trees))
        order = np.concatenate([self._generator.permutation(len(trees)) for _ in range(passes)])
        for step in range(steps):
            batch = Batch.of([trees[place] for place in order[step * size : (step + 1) * size]])
            on_step(step + 1, self._step(batch, rate * _schedule(step, steps)))

    def _step(self, batch: Batch, share: float) -> float:
        with torch.autocast("cpu", self._dtype, enabled=self._dtype is not torch.float32):
            losses = token_losses(self._model, batch)
        weights = batch.is_answer + self._settings.transcript_weight * batch.is_transcript
        ((losses * weights).sum() / weights.sum()).backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), _MAX_GRADIENT_NORM)
        for optimizer, rate in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(losses.detach()[batch.is_answer].mean())


def token_losses(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """[R] cross entropy, in nats, of the tokens that a batch scores."""
    output = model.model(
        input_ids=batch.token_ids,
        position_ids=batch.positions,
        attention_mask=batch.hidden,
        use_cache=False,
    )
    logits = model.lm_head(output.last_hidden_state.flatten(0, 1)[batch.predicting])
    return nn.functional.cross_entropy(logits.float(), batch.targets, reduction="none")


def _schedule(step: int, steps: int) -> float:
    """The learning rate as a share of the highest: a linear rise, then half a cosine down to a tenth."""
    falling = math.cos(math.pi / 2 * step / steps) ** 2
    return min(1.0, (step + 1) / _WARM_UP) * (_LOWEST + (1 - _LOWEST) * falling)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Attention as explicit products: in bfloat16, torch's fused CPU kernel takes twice as long.

    Args:
        module: Attention layer.
        query: [B, heads, N, head size].
        key: [B, heads, N, head size].
        value: [B, heads, N, head size].
        hidden: [B, 1, N, N] True where a row does not attend.
        scaling: Factor of the products.

    Returns:
        The outputs [B, N, heads, head size], and None instead of attention weights.
    """
    scores = (query * scaling) @ key.transpose(2, 3)
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1, dtype=scores.dtype)
    return (weights @ value).transpose(1, 2), None


AttentionInterface.register(_ATTENTION, _attention)
