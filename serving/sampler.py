"""Samples an answer from an engine, recorded with all that the learner needs to know about it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from configuration.servers import ModelServerSettings
from serving.engine import BASE_VERSION, Engine, FinishReason, GenerationRequest
from trajectory.episode import Generation


@dataclass(frozen=True)
class Sampler:
    """Samples from `engine` with the temperature and length that the settings say."""

    engine: Engine
    settings: ModelServerSettings
    stop_ids: frozenset[int]
    """Tokens that end an answer."""

    async def sample(
        self,
        prompt_ids: tuple[int, ...],
        seed: int,
        complete_answers: frozenset[tuple[int, ...]] = frozenset(),
    ) -> Generation:
        """Samples an answer; one of `complete_answers` ends without a stop token.

        Raises:
            PromptTooLongError: the prompt does not fit into the context.
            QueueFullError: too many calls are waiting.
        """
        began = time.perf_counter()
        result = await self.engine.generate(
            GenerationRequest(
                prompt_ids=prompt_ids,
                max_new_tokens=self.settings.max_new_tokens,
                temperature=self.settings.temperature,
                seed=seed,
                stop_ids=self.stop_ids,
                complete_answers=complete_answers,
            )
        )
        return Generation(
            prompt_ids=prompt_ids,
            token_ids=result.token_ids,
            logprobs=result.logprobs,
            adapter_version=result.adapter_version,
            temperature=self.settings.temperature,
            length_limited=result.finish_reason is FinishReason.LENGTH,
            engine_seconds=time.perf_counter() - began,
        )

    def unsampled(self, prompt_ids: tuple[int, ...]) -> Generation:
        """A generation with the prompt and no sampled tokens."""
        return Generation(prompt_ids, (), (), BASE_VERSION, self.settings.temperature, False, 0.0)
