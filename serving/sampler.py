"""Samples an answer from an engine, recorded with all that the learner needs to know about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from configuration.servers import ModelServerSettings
from core import tracing
from core.errors import BehindError
from core.seeds import derive
from serving.engine import (
    BASE_VERSION,
    Engine,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from trajectory.episode import Generation
from trajectory.fence import Fence


@dataclass(frozen=True)
class Sampler:
    """Samples from `engine` with the temperature and length that the settings say."""

    engine: Engine
    settings: ModelServerSettings
    stop_ids: frozenset[int]
    """Tokens that end an answer."""
    end_ids: frozenset[int] = frozenset()
    """Those of them that end the model's turn, not only a line; no answer follows a thought that they end."""

    async def sample(
        self,
        prompt_ids: tuple[int, ...],
        seed: int,
        complete_answers: frozenset[tuple[int, ...]] = frozenset(),
        fence: Fence | None = None,
    ) -> Generation:
        """Samples an answer; one of `complete_answers` ends without a stop token.

        Raises:
            BehindError: what is served is behind `fence`.
            PromptTooLongError: the prompt does not fit the context.
            QueueFullError: too many calls wait.
        """
        began = time.perf_counter()
        _check(fence, self.engine.adapter)
        result = await self.generate(prompt_ids, seed, complete_answers)
        # Again, as what is served may have changed while the request waited.
        _check(fence, result.adapter)
        tracing.note(
            {
                "gen_ai.usage.input_tokens": len(prompt_ids),
                "gen_ai.usage.output_tokens": len(result.token_ids),
                "hiper.adapter_version": result.adapter_version,
            }
        )
        return Generation(
            prompt_ids=prompt_ids,
            token_ids=result.token_ids,
            logprobs=result.logprobs,
            adapter_version=result.adapter_version,
            temperature=self.settings.temperature,
            length_limited=result.finish_reason is FinishReason.LENGTH,
            engine_seconds=time.perf_counter() - began,
            adapter_epoch=result.adapter.epoch if result.adapter else 0,
            adapter_sha256=result.adapter.sha256 if result.adapter else b"",
        )

    async def generate(
        self, prompt_ids: tuple[int, ...], seed: int, complete_answers: frozenset[tuple[int, ...]]
    ) -> GenerationResult:
        """The engine's answer, with the thought before it if the settings ask for one."""
        request = GenerationRequest(
            prompt_ids=prompt_ids,
            max_new_tokens=self.settings.max_new_tokens,
            temperature=self.settings.temperature,
            seed=seed,
            stop_ids=self.stop_ids,
            complete_answers=complete_answers,
        )
        if not self.settings.think:
            return await self.engine.generate(request)
        while True:
            thought = await self.engine.generate(
                replace(
                    request,
                    max_new_tokens=self.settings.think,
                    # Not the answer's seed, which would draw the same random numbers again.
                    seed=derive(seed, "thought"),
                    complete_answers=frozenset(),
                )
            )
            if thought.finish_reason is FinishReason.LENGTH or thought.token_ids[-1] in self.end_ids:
                return thought
            answer = await self.engine.generate(replace(request, prompt_ids=prompt_ids + thought.token_ids))
            # An adapter that was pushed in between would make half of the answer another model's.
            if answer.adapter == thought.adapter:
                return replace(
                    answer,
                    token_ids=thought.token_ids + answer.token_ids,
                    logprobs=thought.logprobs + answer.logprobs,
                )

    def given(
        self, prompt_ids: tuple[int, ...], token_ids: tuple[int, ...], fence: Fence | None = None
    ) -> Generation:
        """An answer that was not sampled, recorded as if what is served were certain of it.

        Raises:
            BehindError: what is served is behind `fence`.
        """
        adapter = self.engine.adapter
        _check(fence, adapter)
        return Generation(
            prompt_ids=prompt_ids,
            token_ids=token_ids,
            logprobs=(0.0,) * len(token_ids),
            adapter_version=adapter.version if adapter else BASE_VERSION,
            temperature=self.settings.temperature,
            length_limited=False,
            engine_seconds=0.0,
            adapter_epoch=adapter.epoch if adapter else 0,
            adapter_sha256=adapter.sha256 if adapter else b"",
        )

    def unsampled(self, prompt_ids: tuple[int, ...]) -> Generation:
        """A generation with the prompt and no sampled tokens."""
        return Generation(prompt_ids, (), (), BASE_VERSION, self.settings.temperature, False, 0.0)


def _check(fence: Fence | None, adapter: LoadedAdapter | None) -> None:
    if fence is None or (adapter and fence.admits(adapter.run_id, adapter.epoch, adapter.version)):
        return
    served = f"{adapter.name} of epoch {adapter.epoch}" if adapter else "the base model alone"
    raise BehindError(f"the call needs {fence} or later; served is {served}")
