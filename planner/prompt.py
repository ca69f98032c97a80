"""The planner's prompt."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from planner import compact_format, nano_format, paper_format, transcript_format
from serving.text.turn_prompt import TurnPrompt
from trajectory.episode import TurnContext

FIRST_TURN_PREFIX = "switch:"
"""Beginning of the answer that ends the prompt at turn 0: a switch is certain, and only the subgoal is
sampled."""


class PlannerPrompt(TurnPrompt):
    """The planner's prompts."""

    formats: ClassVar = {
        "compact": compact_format,
        "nano": nano_format,
        "paper": paper_format,
        "transcript": transcript_format,
    }

    def render(self, context: TurnContext) -> tuple[int, ...]:
        """Token ids of the prompt, as in `TurnPrompt`.

        Raises:
            PromptTooLongError: it is too long even without history and observation.
        """
        forced = FIRST_TURN_PREFIX if context.turn == 0 else ""
        message = partial(self._format.message, self._chat)
        return self._fitted(context, self._format.INSTRUCTIONS, message, forced)
