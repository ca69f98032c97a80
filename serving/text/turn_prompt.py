"""What the prompts of both roles share: how much of an episode they show, and the room that they leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Self

from configuration.servers import ModelServerSettings, PromptFormat
from serving.text import thoughts
from serving.text.chat import Chat, fit
from trajectory.episode import TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TurnPrompt:
    """Renders turns as the token ids of prompts: instructions, then the task, then what changes."""

    formats: ClassVar[Mapping[str, ModuleType]]
    """The role's module for each format, with the instructions and the message of a turn."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        format: PromptFormat,
        history: int,
        context_length: int,
        max_new_tokens: int = 24,
        think: int = 0,
    ) -> None:
        """Prompts show at most `history` earlier turns. They leave `max_new_tokens` of the `context_length`
        tokens free for the answer, and `think` for the thought before it, which they ask for unless it is 0.
        """
        self._room = context_length - max_new_tokens - think
        self._think = think
        self._chat = Chat(tokenizer, self._room)
        self._format = self.formats[format]
        self._history = history

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        settings: ModelServerSettings,
        context_length: int | None = None,
    ) -> Self:
        """The prompts of a server with these settings, whose engine may have another context length."""
        return cls(
            tokenizer,
            settings.prompt_format,
            settings.history,
            context_length or settings.context_length,
            settings.max_new_tokens,
            settings.think,
        )

    def _fitted(
        self,
        context: TurnContext,
        instructions: str,
        message: Callable[[TurnContext], str],
        forced_answer: str = "",
    ) -> tuple[int, ...]:
        """Token ids of the prompt, including those of the chat template.

        If it is too long, the oldest turns are dropped first, then the observation is cut.

        Args:
            context: Turn to render.
            instructions: What to answer, without the request for a thought.
            message: Function that writes a turn, or as much of it as fits.
            forced_answer: Beginning of the answer that ends the prompt, unless a thought comes before it.

        Raises:
            PromptTooLongError: it is too long even then.
        """
        kept = context.history[-self._history :] if self._history else ()
        asked = thoughts.asked_for(instructions, self._think)
        end = thoughts.OPENING if self._think else forced_answer

        def rendered(shown: TurnContext) -> tuple[int, ...]:
            return self._chat.prompt_ids(asked, message(shown), end)

        return fit(rendered, replace(context, history=kept), self._room)
