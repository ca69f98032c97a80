"""The executor's prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from configuration.servers import PromptFormat
from executor import compact_format, nano_format, paper_format, transcript_format
from serving.text import thoughts
from serving.text.chat import Chat, fit
from trajectory.episode import AdmissibleAction, TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FORMATS = {
    "compact": compact_format,
    "nano": nano_format,
    "paper": paper_format,
    "transcript": transcript_format,
}


class ExecutorPrompt:
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

    def render(self, context: TurnContext, actions: Sequence[AdmissibleAction]) -> tuple[int, ...]:
        """Token ids of the prompt, including those of the chat template.

        An environment may list no admissible actions; the prompt then asks for an action without naming any.
        If the prompt is too long, the oldest turns are dropped first, then the observation is cut; the
        actions are always shown, in the given order.

        Raises:
            PromptTooLongError: it is too long even then.
        """
        kept = context.history[-self._history :] if self._history else ()
        # Without a list to choose from, the answer is an action in the player's own words.
        own = self._format.INSTRUCTIONS if actions else self._format.WITHOUT_ACTIONS
        instructions = thoughts.asked_for(own, self._think)

        def rendered(shown: TurnContext) -> tuple[int, ...]:
            message = self._format.message(self._chat, shown, actions)
            return self._chat.prompt_ids(instructions, message, thoughts.OPENING if self._think else "")

        return fit(rendered, replace(context, history=kept), self._room)
