"""What the executor said: one action in one line. Any sequence of tokens has a reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.text.chat import Chat, first_line
from trajectory.episode import Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ACTION_LIMIT = 300
"""Longest action in characters."""


@dataclass(frozen=True)
class ParsedAct:
    """An executor's answer, read."""

    action: str
    """What the environment is given."""
    valid: bool
    """False where the answer holds no action. One that the environment does not accept is still valid."""
    action_span: Span
    """All tokens, the ending one included."""


class ExecutorParser:
    """Reads answers, and writes the answers that it reads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._chat = Chat(tokenizer)

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._chat.line_end_ids

    def answer_ids(self, action: str) -> tuple[int, ...]:
        """The tokens to be sampled after `ExecutorPrompt.render` for `parse` to read this action."""
        return (*self._chat.encode(self._chat.one_line(action)), self._chat.end_id)

    def parse(self, token_ids: Sequence[int]) -> ParsedAct:
        line = first_line(self._chat.decode(token_ids))
        action = self._chat.one_line(line)[:ACTION_LIMIT].strip()
        return ParsedAct(action, bool(action), Span(0, len(token_ids)))
