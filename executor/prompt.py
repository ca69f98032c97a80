"""The executor's prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from executor import compact_format, nano_format, paper_format, transcript_format
from serving.text.turn_prompt import TurnPrompt
from trajectory.episode import AdmissibleAction, TurnContext


class ExecutorPrompt(TurnPrompt):
    """The executor's prompts."""

    formats: ClassVar = {
        "compact": compact_format,
        "nano": nano_format,
        "paper": paper_format,
        "transcript": transcript_format,
    }

    def render(self, context: TurnContext, actions: Sequence[AdmissibleAction]) -> tuple[int, ...]:
        """Token ids of the prompt, as in `TurnPrompt`; the actions are always shown, in the given order.

        An environment may list no admissible actions; the prompt then asks for an action without naming any.

        Raises:
            PromptTooLongError: it is too long even without history and observation.
        """
        # Without a list to choose from, the answer is an action in the player's own words.
        instructions = self._format.INSTRUCTIONS if actions else self._format.WITHOUT_ACTIONS
        return self._fitted(
            context, instructions, lambda shown: self._format.message(self._chat, shown, actions)
        )
