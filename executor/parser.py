"""Reads the executor's answers: one action on one line. Every sequence of tokens has a reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.text import thoughts
from serving.text.chat import Chat, first_line
from trajectory.episode import Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

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


class ExecutorParser:
    """Reads answers, and writes answers for demonstrations that it reads back as the same action."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, thinks: bool = False) -> None:
        """`thinks`: a thought is before each answer."""
        self._chat = Chat(tokenizer)
        self._thinks = thinks

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._chat.line_end_ids

    @property
    def end_ids(self) -> frozenset[int]:
        """Those of `stop_ids` that end the model's turn."""
        return self._chat.turn_end_ids

    def answer_ids(self, action: str) -> tuple[int, ...]:
        """The answer to a prompt of `ExecutorPrompt.render` that `parse` reads as this action.

        A thought before it is empty.
        """
        thought = self._chat.encode(thoughts.CLOSING) if self._thinks else ()
        return (*thought, *self._chat.encode(self._action(action)), self._chat.end_id)

    def parse(self, token_ids: Sequence[int]) -> ParsedAct:
        begin = thoughts.length_of(token_ids, self.stop_ids) if self._thinks else 0
        action = self._action(first_line(self._chat.decode(token_ids[begin:])))
        return ParsedAct(action, bool(action), Span(0, len(token_ids)))

    def _action(self, text: str) -> str:
        return self._chat.one_line(text)[:ACTION_LIMIT].strip()
