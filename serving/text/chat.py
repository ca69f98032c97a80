"""Text to and from token ids, the way one model's chat template and tokenizer have it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, cast

from core.errors import PromptTooLongError
from core.text import one_line, printable
from trajectory.episode import Told, TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CUT_MARK = " ... "
_COMPOSED = 4
"""Characters that a tokenizer's normaliser, such as Unicode's NFC, makes one of, at most."""


class Chat:
    """One tokenizer, with what prompts and parsers need of it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, room: int | None = None) -> None:
        """`room` is the number of tokens that a prompt may have."""
        self._tokenizer = tokenizer
        self._room = room
        specials = sorted({str(token) for token in tokenizer.added_tokens_decoder.values() if token.special})
        self._specials = re.compile("|".join(map(re.escape, specials)) or r"(?!)")

    @cached_property
    def end_id(self) -> int:
        """The token that ends the assistant's turn, as the chat template writes it."""
        return int(self._tokenizer.eos_token_id)

    @cached_property
    def line_end_ids(self) -> frozenset[int]:
        """The end-of-turn token and every token whose text holds a line break."""
        texts = self._tokenizer.batch_decode([[i] for i in range(len(self._tokenizer))])
        return frozenset(i for i, text in enumerate(texts) if "\n" in text or "\r" in text) | {self.end_id}

    def prompt_ids(self, instructions: str, message: str, forced_answer: str = "") -> tuple[int, ...]:
        """Token ids of a one-message chat, up to where the model goes on from `forced_answer`.

        The texts must have gone through `clean` where they are not our own: the template's own special
        tokens are parsed.

        Raises:
            PromptTooLongError: the text has more characters than `room` tokens can stand for. That is found
                before it is tokenised, which takes a second for each megabyte.
        """
        chat = [{"role": "system", "content": instructions}, {"role": "user", "content": message}]
        text = self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        if self._room is not None and len(text) > self._longest_text:
            raise PromptTooLongError(
                f"the prompt has {len(text)} characters, more than {self._room} tokens stand for"
            )
        return self.encode(cast(str, text)) + self.encode(forced_answer)

    @cached_property
    def _longest_text(self) -> float:
        """Characters of a prompt that fits, at most."""
        characters = longest_token(self._tokenizer)
        return inf if self._room is None or characters is None else self._room * characters

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of sampled tokens; special tokens have none."""
        text = self._tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return cast(str, text)

    def clean(self, text: str) -> str:
        """`text` without the template's special tokens and without control characters but line breaks."""
        return printable(self._specials.sub(" ", text))

    def one_line(self, text: str, limit: int | None = None) -> str:
        """`text` cleaned, in one line with single spaces, cut to `limit` characters in its middle."""
        line = one_line(self._specials.sub(" ", text))
        return line if limit is None else cut_middle(line, limit)


def first_line(text: str) -> str:
    """The text up to its first line break, without surrounding space."""
    lines = text.splitlines()
    return lines[0].strip() if lines else ""


def cut_middle(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, its beginning and end kept."""
    if len(text) <= limit:
        return text
    kept = max(0, limit - len(_CUT_MARK))
    return (text[: kept - kept // 2] + _CUT_MARK + text[len(text) - kept // 2 :])[:limit]


def fit(render: Callable[[TurnContext], tuple[int, ...]], context: TurnContext, room: int) -> tuple[int, ...]:
    """Renders `context` in at most `room` tokens: without its oldest turns, then with a shorter observation.

    Args:
        render: May raise PromptTooLongError for what cannot fit, see `Chat.prompt_ids`.

    Raises:
        PromptTooLongError: goal, subgoal and instructions alone are longer than that.
    """

    def without(turns: int) -> tuple[int, ...] | None:
        return _within(room, render, replace(context, history=context.history[turns:]))

    if (whole := without(0)) is not None:
        return whole
    if (best := without(len(context.history))) is None:
        return _with_cut_observation(render, replace(context, history=()), room)
    too_few, enough = 0, len(context.history)
    while enough - too_few > 1:
        turns = (too_few + enough) // 2
        if (ids := without(turns)) is None:
            too_few = turns
        else:
            enough, best = turns, ids
    return best


def _with_cut_observation(
    render: Callable[[TurnContext], tuple[int, ...]], context: TurnContext, room: int
) -> tuple[int, ...]:
    told = context.told

    def cut(length: int) -> tuple[int, ...] | None:
        shorter = told and Told(cut_middle(told.alone, length), cut_middle(told.after, length))
        observation = cut_middle(context.observation, length)
        return _within(room, render, replace(context, observation=observation, told=shorter))

    best = cut(0)
    if best is None:
        raise PromptTooLongError(
            f"the prompt is too long even without history and observation; {room} tokens are accepted"
        )
    fits, too_long = 0, max(len(context.observation), len(told.alone) if told else 0)
    while too_long - fits > 8:
        length = (fits + too_long) // 2
        if (ids := cut(length)) is None:
            too_long = length
        else:
            fits, best = length, ids
    return best


def _within(
    room: int, render: Callable[[TurnContext], tuple[int, ...]], context: TurnContext
) -> tuple[int, ...] | None:
    """The prompt; None if it has more than `room` tokens."""
    try:
        ids = render(context)
    except PromptTooLongError:
        return None
    return ids if len(ids) <= room else None


def longest_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Characters that one token stands for at most; None where one may stand for any number of them.

    The latter have a token for unknown words, which are as long as they like.
    """
    characters = max(map(len, tokenizer.get_vocab()), default=0)
    if tokenizer.is_fast and tokenizer.backend_tokenizer.normalizer is not None:
        characters *= _COMPOSED
    for unknown in ("\U000f1234", "qzx"):
        text = unknown * (4 * characters)
        if len(tokenizer.encode(text, add_special_tokens=False)) * characters < len(text):
            return None
    return characters
