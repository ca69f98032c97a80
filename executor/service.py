"""From a turn to an action: prompt, engine, parser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from serving.engine import BASE_VERSION, Engine, FinishReason, GenerationRequest
from serving.errors import InvalidInputError
from serving.settings import ModelServerSettings
from trajectory.episode import EMPTY_SPAN, Act, Generation, TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ExecutorService:
    """Acts with the model behind `engine`; keeps nothing between calls."""

    def __init__(
        self, engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: ModelServerSettings
    ) -> None:
        self._engine, self._settings = engine, settings
        self._parser = ExecutorParser(tokenizer)
        # Finding them reads the whole vocabulary: half a second that the first calls would wait for.
        self._stop_ids = self._parser.stop_ids
        self._prompt = ExecutorPrompt(
            tokenizer,
            settings.prompt_format,
            settings.history,
            engine.context_length,
            settings.max_new_tokens,
        )

    async def act(self, context: TurnContext, admissible_actions: Sequence[str], seed: int) -> Act:
        """Samples one action.

        Raises:
            InvalidInputError: no goal or no subgoal.
            PromptTooLongError: the prompt does not fit the context.
            QueueFullError: too many calls wait.
        """
        prompt_ids = self.prompt_ids(context, admissible_actions)
        began = time.perf_counter()
        result = await self._engine.generate(
            GenerationRequest(
                prompt_ids=prompt_ids,
                max_new_tokens=self._settings.max_new_tokens,
                temperature=self._settings.temperature,
                seed=seed,
                stop_ids=self._stop_ids,
            )
        )
        seconds = time.perf_counter() - began
        parsed = self._parser.parse(result.token_ids)
        generation = Generation(
            prompt_ids=prompt_ids,
            token_ids=result.token_ids,
            logprobs=result.logprobs,
            adapter_version=result.adapter_version,
            temperature=self._settings.temperature,
            length_limited=result.finish_reason is FinishReason.LENGTH,
            engine_seconds=seconds,
        )
        return Act(parsed.action, parsed.valid, generation, parsed.action_span)

    def prompt_only(self, context: TurnContext, admissible_actions: Sequence[str]) -> Act:
        """The prompt of `act`, with nothing sampled."""
        prompt_ids = self.prompt_ids(context, admissible_actions)
        generation = Generation(prompt_ids, (), (), BASE_VERSION, self._settings.temperature, False, 0.0)
        return Act("", False, generation, EMPTY_SPAN)

    def prompt_ids(self, context: TurnContext, admissible_actions: Sequence[str]) -> tuple[int, ...]:
        """Checks the context and renders it."""
        for name, text in (("goal", context.goal), ("subgoal", context.subgoal)):
            if not text.strip():
                raise InvalidInputError(f"context.{name}: must not be empty")
        return self._prompt.render(context, admissible_actions)
