"""Reads the executor's answers: one action on one line. Every sequence of tokens has a reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.text.answer_parser import AnswerParser
from serving.text.chat import first_line
from trajectory.episode import Span

ACTION_LIMIT = 300
"""Limit on the characters of an action; the rest is cut off."""


@dataclass(frozen=True)
class ParsedAct:
    """An executor's parsed answer."""

    action: str
    """Action to be passed to the environment."""
    valid: bool
    """Whether the answer contains an action; one that the environment does not accept is valid too."""
    action_span: Span
    """All tokens of the answer, including the one that ends it and the thought before it."""


class ExecutorParser(AnswerParser):
    """Reads and writes actions."""

    def answer_ids(self, action: str) -> tuple[int, ...]:
        """The answer to a prompt of `ExecutorPrompt.render` that `parse` reads as this action.

        A thought before it is empty.
        """
        thought = self._empty_thought()
        return (*thought, *self._chat.encode(self._action(action)), self._chat.end_id)

    def parse(self, token_ids: Sequence[int]) -> ParsedAct:
        begin = self._begin_of_answer(token_ids)
        action = self._action(first_line(self._chat.decode(token_ids[begin:])))
        return ParsedAct(action, bool(action), Span(0, len(token_ids)))

    def _action(self, text: str) -> str:
        return self._chat.one_line(text)[:ACTION_LIMIT].strip()
