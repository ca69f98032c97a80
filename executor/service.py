"""The executor's logic: from a turn to an action, with prompt, engine and parser."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from configuration.servers import ModelServerSettings
from core.errors import InvalidInputError
from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from serving.engine import Engine
from serving.sampler import Sampler
from serving.text.prompt_thread import PromptThread
from trajectory.episode import EMPTY_SPAN, Act, AdmissibleAction, TurnContext
from trajectory.fence import Fence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ExecutorService:
    """Acts with the model behind `engine`; has no state between calls."""

    def __init__(
        self, engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: ModelServerSettings
    ) -> None:
        self._parser = ExecutorParser(tokenizer, thinks=settings.think > 0)
        # Now and not at the first call, which would wait for it: decoding the whole vocabulary for the stop
        # tokens takes half a second.
        self._sampler = Sampler(engine, settings, self._parser.stop_ids, self._parser.end_ids)
        self._prompt = ExecutorPrompt.of(tokenizer, settings, engine.context_length)
        self._rendering = PromptThread()

    def with_engine(self, engine: Engine) -> Self:
        """The same service on another engine, whose context is as long; prompts share one thread."""
        other = copy(self)
        other._sampler = replace(self._sampler, engine=engine)
        return other

    async def act(
        self,
        context: TurnContext,
        actions: Sequence[AdmissibleAction],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        """Samples one action.

        Raises:
            InvalidInputError: there is no goal or no subgoal.
            PromptTooLongError: the prompt does not fit into the context.
            QueueFullError: too many calls are waiting.
            BehindError: the adapter that is served is behind `fence`.
        """
        prompt_ids = await self._rendering.run(self.prompt_ids, context, actions)
        generation = await self._sampler.sample(prompt_ids, seed, fence=fence)
        parsed = self._parser.parse(generation.token_ids)
        return Act(parsed.action, parsed.valid, generation, parsed.action_span)

    async def prompt_only(self, context: TurnContext, actions: Sequence[AdmissibleAction]) -> Act:
        """The prompt of `act` without sampling an answer."""
        prompt_ids = await self._rendering.run(self.prompt_ids, context, actions)
        generation = self._sampler.unsampled(prompt_ids)
        return Act("", False, generation, EMPTY_SPAN)

    def prompt_ids(self, context: TurnContext, actions: Sequence[AdmissibleAction]) -> tuple[int, ...]:
        """Checks the context and renders the prompt."""
        for name, text in (("goal", context.goal), ("subgoal", context.subgoal)):
            if not text.strip():
                raise InvalidInputError(f"context.{name}: must not be empty")
        return self._prompt.render(context, actions)
