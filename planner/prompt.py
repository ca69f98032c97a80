"""The planner's prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from configuration.servers import PromptFormat
from planner import compact_format, nano_format, paper_format, transcript_format
from serving.text import thoughts
from serving.text.chat import Chat, fit
from trajectory.episode import TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FIRST_TURN_PREFIX = "switch:"
"""Beginning of the answer that ends the prompt at turn 0: a switch is certain, and only the subgoal is
sampled."""

_FORMATS = {
    "compact": compact_format,
    "nano": nano_format,
    "paper": paper_format,
    "transcript": transcript_format,
}


class PlannerPrompt:
    """Renders a turn as the token ids of a prompt: instructions, then the task, then what changes."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        format: PromptFormat,
        history: int,
        context_length: int,
        max_new_tokens: int = 24,
        think: int = 0,
    ) -> None:
        """Prompts leave `max_new_tokens` of the `context_length` tokens free for the answer, and `think` for
        the thought before it, which they ask for unless it is 0."""
        self._room = context_length - max_new_tokens - think
        self._think = think
        self._chat = Chat(tokenizer, self._room)
        self._format = _FORMATS[format]
        self._history = history

    def render(self, context: TurnContext) -> tuple[int, ...]:
        """Token ids of the prompt, including those of the chat template.

        If the prompt is too long, the oldest turns are dropped first, then the observation is cut.

        Raises:
            PromptTooLongError: it is too long even then.
        """
        kept = context.history[-self._history :] if self._history else ()
        return fit(self._render, replace(context, history=kept), self._room)

    def _render(self, context: TurnContext) -> tuple[int, ...]:
        message = self._format.message(self._chat, context)
        forced = FIRST_TURN_PREFIX if context.turn == 0 else ""
        instructions = thoughts.asked_for(self._format.INSTRUCTIONS, self._think)
        return self._chat.prompt_ids(instructions, message, thoughts.OPENING if self._think else forced)
