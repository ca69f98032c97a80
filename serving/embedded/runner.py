"""Runs the model for a step of the batch."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig
from transformers.utils.logging import disable_progress_bar

from core.errors import InvalidInputError
from core.freed_memory import return_free_memory
from serving.embedded import attention
from serving.embedded.attention import Segment, Step
from serving.embedded.decoding import Capture, Decoding
from serving.embedded.kv_cache import KvCache
from serving.embedded.prefixes import PrefixStore
from serving.embedded.sampling import sample
from serving.embedded.scheduler import Scheduler, Sequence
from serving.embedded.weights import MergedWeights

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Decoders with plain attention, for which `slot_attention` is all that must be replaced."""

_LEAST_COPY = 16
"""Length below which a shared prefix is computed, which takes no longer than copying it."""

_PROBE_TOKENS = 16
"""Length of the prompt with which new weights are tried, about."""


@dataclass(frozen=True)
class Sampled:
    """The results of a step, in the order of its sequences."""

    tokens: Seq[int]
    logprobs: Seq[float]
    copied: int
    """Number of prompt tokens that were copied instead of computed."""


class ModelRunner:
    """The model with its keys and values, and the kept prompts to copy from."""

    def __init__(
        self,
        folder: Path,
        dtype: torch.dtype,
        device: torch.device,
        max_batch: int,
        context_length: int,
        kept_tokens: int = 0,
        capture: Capture | None = None,
    ) -> None:
        """Keeps prompts of up to `kept_tokens` tokens, and at least the last one. With `capture`, steps of
        running sequences alone are captured and replayed."""
        in_place = capture is not None
        config = AutoConfig.from_pretrained(folder)
        check_config(config, context_length)
        disable_progress_bar()
        self._model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation=attention.NAME, device_map=device
        ).eval()
        self._dtype, self._device = dtype, device
        self._cache = KvCache(config, max_batch, context_length, dtype, device, in_place)
        self._decoding = capture and Decoding(
            self._logits, self._cache, max_batch, context_length, dtype, device, capture
        )
        self._probe = tuple(range(0, config.vocab_size, max(1, config.vocab_size // _PROBE_TOKENS)))
        self._probe_cache = KvCache(config, 1, len(self._probe), dtype, device)
        self.prefixes = PrefixStore(kept_tokens)
        self.weights = MergedWeights(self._model, folder, dtype, in_place)
        self.words: int = config.vocab_size

    @torch.inference_mode()
    def step(self, running: Seq[Sequence], beginning: Seq[Sequence]) -> Sampled:
        """Samples the next token of the running sequences, and the first one of those that begin.

        Beginning sequences get the slots after the running ones.
        """
        sequences = (*running, *beginning)
        temperatures = [sequence.request.temperature for sequence in sequences]
        uniforms = [sequence.next_uniform() for sequence in sequences]
        if self._decoding and not beginning:
            newest, positions = _newest(running)
            return Sampled(*self._decoding.step(newest, positions, temperatures, uniforms), copied=0)
        logits, copied = self.forward(running, beginning)
        return Sampled(*sample(logits, temperatures, uniforms), copied=copied)

    @torch.inference_mode()
    def forward(self, running: Seq[Sequence], beginning: Seq[Sequence]) -> tuple[torch.Tensor, int]:
        """Computes the newest token of the running sequences, and the prompts of those that begin.

        Beginning sequences get the slots after the running ones.

        Returns:
            Logits [running + beginning, word], and the number of prompt tokens that were copied.
        """
        segments = [
            self._begin(sequence.request.prompt_ids, slot)
            for slot, sequence in enumerate(beginning, start=len(running))
        ]
        step = Step.of(self._cache, *_newest(running), segments, self._dtype, self._device)
        logits = self._logits(step)
        for segment, sequence in zip(segments, beginning, strict=True):
            self._keep_prompt(segment.slot, sequence.request.prompt_ids)
        return logits, sum(segment.start for segment in segments)

    @torch.inference_mode()
    def is_finite(self) -> bool:
        """Whether a short prompt of tokens from the whole vocabulary gives finite logits."""
        segment = Segment(0, 0, self._probe)
        logits = self._logits(Step.of(self._probe_cache, [], [], [segment], self._dtype, self._device))
        return bool(logits.isfinite().all())

    @torch.inference_mode()
    def score(self, prompt_ids: tuple[int, ...], answer_ids: tuple[int, ...]) -> torch.Tensor:
        """Computes a prompt with a given answer in one pass, in slot 0; no sequence may be running.

        Returns:
            Logits [answer token, word] from which each token of the answer would have been sampled.
        """
        prompt = self._begin(prompt_ids, 0)
        segment = Segment(0, prompt.start, prompt.token_ids + answer_ids[:-1])
        step = Step.of(self._cache, [], [], [segment], self._dtype, self._device)
        first = len(segment.token_ids) - len(answer_ids)
        logits = self._logits(step, torch.arange(first, len(segment.token_ids), device=self._device))
        self._keep_prompt(0, prompt_ids)
        return logits

    def _logits(self, step: Step, after: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [token, word] after these tokens of the step, by default after the last of each sequence."""
        output = self._model(
            input_ids=step.input_ids,
            position_ids=step.position_ids,
            logits_to_keep=step.last if after is None else after,
            use_cache=False,
            step=step,
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    @torch.inference_mode()
    def remove(self, scheduler: Scheduler, index: int) -> None:
        """Removes a sequence from the batch, and moves the last one into the slot that becomes free."""
        if (source := scheduler.remove(index)) is not None:
            self._cache.move(source, index, scheduler.running[index].position)

    @torch.inference_mode()
    def clear_slot(self, index: int) -> None:
        """Clears a slot with values that are not finite, which would spoil the next sequence too."""
        self._cache.clear_slot(index)

    @torch.inference_mode()
    def forget(self) -> None:
        """Drops everything that was computed with the old weights."""
        self.prefixes.clear()
        self._cache.clear()

    @torch.no_grad()
    def fall_asleep(self) -> None:
        """Moves the weights to the machine's memory and drops what was computed, until `wake_up`."""
        self.prefixes.clear()
        if self._decoding:
            self._decoding.forget()
        self._cache.drop()
        self._model.to("cpu")
        return_free_memory()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def wake_up(self) -> None:
        """Brings the weights back, and makes an empty cache."""
        self._model.to(self._device)
        self._cache.clear()

    def copyable(self, prompt_ids: tuple[int, ...]) -> int:
        """The number of tokens of a prompt that would be copied instead of computed."""
        shared, _ = self.prefixes.longest(prompt_ids)
        return shared if shared >= _LEAST_COPY else 0

    def _begin(self, prompt_ids: tuple[int, ...], slot: int) -> Segment:
        shared, prefix = self.prefixes.longest(prompt_ids)
        if prefix is None or shared < _LEAST_COPY:
            return Segment(slot, 0, prompt_ids)
        self._cache.copy_in(slot, prefix, shared)
        return Segment(slot, shared, prompt_ids[shared:])

    def _keep_prompt(self, slot: int, prompt_ids: tuple[int, ...]) -> None:
        if prompt_ids not in self.prefixes:
            self.prefixes.add(prompt_ids, self._cache.copy_out(slot, len(prompt_ids)))


def _newest(running: Seq[Sequence]) -> tuple[list[int], list[int]]:
    """The newest tokens of sequences, and their positions."""
    return [sequence.token_ids[-1] for sequence in running], [sequence.position for sequence in running]


def check_config(config: PreTrainedConfig, context_length: int) -> None:
    """Refuses models that `slot_attention` would compute wrongly.

    Raises:
        InvalidInputError: another architecture, a sliding window, or a context longer than the model's.
    """
    if config.model_type not in MODEL_TYPES:
        accepted = ", ".join(MODEL_TYPES)
        raise InvalidInputError(f"the embedded engine runs {accepted} models, not {config.model_type}")
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise InvalidInputError("the embedded engine has no sliding-window attention, which this model uses")
    if (
        config.model_type == "mistral"
        and (getattr(config, "sliding_window", None) or context_length) < context_length
    ):
        raise InvalidInputError(
            f"context_length = {context_length} is longer than this model's window of {config.sliding_window}"
        )
    if context_length > config.max_position_embeddings:
        raise InvalidInputError(
            f"context_length = {context_length}: this model takes at most {config.max_position_embeddings}"
        )
