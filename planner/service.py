"""The planner's logic: from a turn to a plan, with prompt, engine and parser."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from configuration.servers import PlannerSettings
from core.errors import InvalidInputError
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from serving.engine import Engine
from serving.sampler import Sampler
from serving.text.prompt_thread import PromptThread
from trajectory.episode import EMPTY_SPAN, Decision, Plan, TurnContext
from trajectory.fence import Fence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PlannerService:
    """Plans with the model behind `engine`; has no state between calls."""

    def __init__(self, engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: PlannerSettings) -> None:
        self._parser = PlannerParser(tokenizer, thinks=settings.think > 0)
        # Now and not at the first call, which would wait for it: decoding the whole vocabulary for the stop
        # tokens takes half a second.
        self._sampler = Sampler(engine, settings, self._parser.stop_ids, self._parser.end_ids)
        self._prompt = PlannerPrompt.of(tokenizer, settings, engine.context_length)
        self._hierarchy = settings.hierarchy
        self._rendering = PromptThread()

    def with_engine(self, engine: Engine) -> Self:
        """The same service on another engine, whose context is as long; prompts share one thread."""
        other = copy(self)
        other._sampler = replace(self._sampler, engine=engine)
        return other

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        """Samples a decision and, with SWITCH, a subgoal.

        Without a hierarchy, nothing is sampled: the task is the subgoal of the whole episode.

        Raises:
            InvalidInputError: there is no goal, or after turn 0 no subgoal.
            PromptTooLongError: the prompt does not fit into the context.
            QueueFullError: too many calls are waiting.
            BehindError: the adapter that is served is behind `fence`.
        """
        prompt_ids = await self._rendering.run(self.prompt_ids, context)
        if not self._hierarchy:
            return self._task_as_subgoal(context, prompt_ids, fence)
        complete = frozenset({self._parser.keep_ids}) if context.turn > 0 else frozenset()
        generation = await self._sampler.sample(prompt_ids, seed, complete, fence)
        parsed = self._parser.parse(generation.token_ids, context.turn, context.goal, context.subgoal)
        return Plan(
            decision=parsed.decision,
            subgoal=parsed.subgoal,
            valid=parsed.valid,
            generation=generation,
            decision_span=parsed.decision_span,
            subgoal_span=parsed.subgoal_span,
        )

    def _task_as_subgoal(
        self, context: TurnContext, prompt_ids: tuple[int, ...], fence: Fence | None
    ) -> Plan:
        """The plan that follows from the task, as if the model had answered it; no token of it learns."""
        decision = Decision.KEEP if context.turn > 0 else Decision.SWITCH
        answer = self._parser.answer_ids(decision, context.goal, context.turn)
        parsed = self._parser.parse(answer, context.turn, context.goal, context.subgoal)
        given = self._sampler.given(prompt_ids, answer, fence)
        return Plan(parsed.decision, parsed.subgoal, True, given, EMPTY_SPAN, EMPTY_SPAN)

    async def prompt_only(self, context: TurnContext) -> Plan:
        """The prompt of `plan`, with nothing sampled: as if the subgoal were kept."""
        generation = self._sampler.unsampled(await self._rendering.run(self.prompt_ids, context))
        decision = Decision.KEEP if context.turn > 0 else Decision.SWITCH
        return Plan(decision, context.subgoal, False, generation, EMPTY_SPAN, EMPTY_SPAN)

    def prompt_ids(self, context: TurnContext) -> tuple[int, ...]:
        """Checks the context and renders the prompt."""
        if not context.goal.strip():
            raise InvalidInputError("context.goal: must not be empty")
        if context.turn > 0 and not context.subgoal.strip():
            raise InvalidInputError(f"context.subgoal: must not be empty at turn {context.turn}")
        return self._prompt.render(context)
