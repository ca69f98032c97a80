"""From a turn to a plan: prompt, engine, parser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from serving.engine import BASE_VERSION, Engine, FinishReason, GenerationRequest
from serving.errors import InvalidInputError
from serving.settings import ModelServerSettings
from trajectory.episode import EMPTY_SPAN, Decision, Generation, Plan, TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PlannerService:
    """Decides with the model behind `engine`; keeps nothing between calls."""

    def __init__(
        self, engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: ModelServerSettings
    ) -> None:
        self._engine, self._settings = engine, settings
        self._parser = PlannerParser(tokenizer)
        # Finding them reads the whole vocabulary: half a second that the first calls would wait for.
        self._stop_ids = self._parser.stop_ids
        self._prompt = PlannerPrompt(
            tokenizer,
            settings.prompt_format,
            settings.history,
            engine.context_length,
            settings.max_new_tokens,
        )

    async def plan(self, context: TurnContext, seed: int) -> Plan:
        """Samples a decision and, on SWITCH, a subgoal.

        Raises:
            InvalidInputError: no goal, or after turn 0 no subgoal.
            PromptTooLongError: the prompt does not fit the context.
            QueueFullError: too many calls wait.
        """
        prompt_ids = self.prompt_ids(context)
        began = time.perf_counter()
        result = await self._engine.generate(
            GenerationRequest(
                prompt_ids=prompt_ids,
                max_new_tokens=self._settings.max_new_tokens,
                temperature=self._settings.temperature,
                seed=seed,
                stop_ids=self._stop_ids,
                complete_answers=frozenset({self._parser.keep_ids}) if context.turn > 0 else frozenset(),
            )
        )
        seconds = time.perf_counter() - began
        parsed = self._parser.parse(result.token_ids, context.turn, context.goal, context.subgoal)
        generation = Generation(
            prompt_ids=prompt_ids,
            token_ids=result.token_ids,
            logprobs=result.logprobs,
            adapter_version=result.adapter_version,
            temperature=self._settings.temperature,
            length_limited=result.finish_reason is FinishReason.LENGTH,
            engine_seconds=seconds,
        )
        return Plan(
            decision=parsed.decision,
            subgoal=parsed.subgoal,
            valid=parsed.valid,
            generation=generation,
            decision_span=parsed.decision_span,
            subgoal_span=parsed.subgoal_span,
        )

    def prompt_only(self, context: TurnContext) -> Plan:
        """The prompt of `plan`, with nothing sampled: as if the subgoal were kept."""
        temperature = self._settings.temperature
        generation = Generation(self.prompt_ids(context), (), (), BASE_VERSION, temperature, False, 0.0)
        decision = Decision.KEEP if context.turn > 0 else Decision.SWITCH
        return Plan(decision, context.subgoal, False, generation, EMPTY_SPAN, EMPTY_SPAN)

    def prompt_ids(self, context: TurnContext) -> tuple[int, ...]:
        """Checks the context and renders it."""
        if not context.goal.strip():
            raise InvalidInputError("context.goal: must not be empty")
        if context.turn > 0 and not context.subgoal.strip():
            raise InvalidInputError(f"context.subgoal: must not be empty at turn {context.turn}")
        return self._prompt.render(context)
