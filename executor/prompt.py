"""What the executor is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from configuration.servers import PromptFormat
from executor import compact_format, nano_format, paper_format, transcript_format
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
    ) -> None:
        """`context_length` is that of prompt and answer together; `max_new_tokens` of it are left free."""
        self._room = context_length - max_new_tokens
        self._chat = Chat(tokenizer, self._room)
        self._format = _FORMATS[format]
        self._history = history

    def render(self, context: TurnContext, actions: Sequence[AdmissibleAction]) -> tuple[int, ...]:
        """Token ids, the chat template's own included.

        A context that is too long loses its oldest turns first, then the middle of its observation; the
        actions are always shown, in the order given.

        Raises:
            PromptTooLongError: it does not fit even so.
        """
        kept = context.history[-self._history :] if self._history else ()

        def rendered(shown: TurnContext) -> tuple[int, ...]:
            message = self._format.message(self._chat, shown, actions)
            return self._chat.prompt_ids(self._format.INSTRUCTIONS, message)

        return fit(rendered, replace(context, history=kept), self._room)
