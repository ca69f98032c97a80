"""What the parsers of both roles share: which tokens end an answer, and the thought before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving.text import thoughts
from serving.text.chat import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class AnswerParser:
    """Reads answers, and writes answers for demonstrations that it reads back as the same.

    Every sequence of tokens has a reading.
    """

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

    def _begin_of_answer(self, token_ids: Sequence[int]) -> int:
        """Number of tokens of the thought."""
        return thoughts.length_of(token_ids, self.stop_ids) if self._thinks else 0

    def _empty_thought(self) -> tuple[int, ...]:
        """The tokens before a written answer: none, or the end of a thought that says nothing."""
        return self._chat.encode(thoughts.CLOSING) if self._thinks else ()
