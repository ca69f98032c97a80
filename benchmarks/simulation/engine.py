"""An engine that computes nothing: it waits as long as a measured one would, and answers with fixed words."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import torch

from serving.embedded.prefixes import PrefixStore
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)

_KEEPS = 0.7
"""Probability that a planner keeps its subgoal."""
_NOTHING = torch.empty(0)


@dataclass(frozen=True)
class LatencyModel:
    """Seconds that an engine takes."""

    prompt_token: float
    """Seconds per token of a prompt that is computed; prompts are computed one after the other."""
    step: float
    """Seconds of a decoding step with one sequence."""
    sequence: float
    """Seconds that each further sequence adds to a step."""

    def __str__(self) -> str:
        token, step, sequence = (1000 * each for each in (self.prompt_token, self.step, self.sequence))
        return (
            f"{token:.3g} ms per computed prompt token, {step:.3g} ms per decoding step, {sequence:.3g} ms "
            "more for each further sequence in it"
        )

    def slower(self, times: float) -> LatencyModel:
        """An engine that takes so many times as long."""
        return LatencyModel(self.prompt_token * times, self.step * times, self.sequence * times)

    def decoding(self, tokens: int, sequences: int) -> float:
        """Time for an answer of so many tokens beside others: so many sequences in all."""
        return tokens * (self.step + self.sequence * (sequences - 1))


class WaitingEngine:
    """An `Engine` that only waits: for a place in the batch, for its prompt, and for its tokens.

    The time of an answer depends on the number of sequences that are in the batch when it begins.
    """

    def __init__(
        self, latency: LatencyModel, answer: tuple[int, ...], context_length: int, max_batch: int
    ) -> None:
        """`answer` has the token ids of every answer that is not one of the complete ones."""
        self.context_length = context_length
        self._latency, self._answer = latency, answer
        self._places = asyncio.Semaphore(max_batch)
        # A quarter of the batch's contexts, as in the embedded engine.
        self._prefixes = PrefixStore(max(1, max_batch // 4) * context_length)
        self._running = 0
        self._computing = asyncio.Lock()
        self._generated = self._computed = self._shared = 0
        self.adapter: LoadedAdapter | None = None

    @property
    def counters(self) -> EngineCounters:
        return EngineCounters(self._generated, self._computed, self._shared)

    async def start(self) -> None:
        """Nothing is to be loaded."""

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Waits, and answers."""
        async with self._places:
            self._running += 1
            try:
                adapter = self.adapter
                async with self._computing:
                    await asyncio.sleep(self._latency.prompt_token * self._to_compute(request.prompt_ids))
                tokens = self._tokens(request)
                await asyncio.sleep(self._latency.decoding(len(tokens), self._running))
            finally:
                self._running -= 1
        self._generated += len(tokens)
        logprobs = (-1.0,) * len(tokens)
        return GenerationResult(tokens, logprobs, adapter, FinishReason.STOP)

    def _to_compute(self, prompt_ids: tuple[int, ...]) -> int:
        shared, _ = self._prefixes.longest(prompt_ids)
        self._prefixes.add(prompt_ids, _NOTHING)
        self._shared += shared
        self._computed += len(prompt_ids) - shared
        return len(prompt_ids) - shared

    def _tokens(self, request: GenerationRequest) -> tuple[int, ...]:
        if request.complete_answers and random.Random(request.seed).random() < _KEEPS:
            return min(request.complete_answers)
        return self._answer[: request.max_new_tokens]

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        """Another adapter computes other keys and values, so no prefix is kept."""
        self.adapter = adapter
        self._prefixes.clear()

    async def failure(self) -> EngineFailedError:
        """It never fails."""
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Nothing is to be freed."""
