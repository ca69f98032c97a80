"""Converts text to and from token ids with a model's chat template and tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, cast

from jinja2 import TemplateError

from core.errors import PromptTooLongError
from core.text import one_line, printable
from trajectory.episode import Told, TurnContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CUT_MARK = " ... "
_MARK = "qzx"
"""Text to recognise in what a template makes of it."""
_TEMPLATE_OPTIONS: dict[str, Any] = {
    # Qwen3 would think aloud before it answers.
    "enable_thinking": False,
    # Llama 3 would tell the model today's date, so that prompts change from day to day; this is its default.
    "date_string": "26 Jul 2024",
}
"""Variables that templates of known models read; other templates ignore them."""
_COMPOSED = 4
"""Largest number of characters that a tokenizer's normaliser, such as Unicode's NFC, combines into one."""


class Chat:
    """A tokenizer, with the operations that prompts and parsers need."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, room: int | None = None) -> None:
        """`room` is the largest number of tokens of a prompt."""
        self._tokenizer = tokenizer
        self._room = room
        specials = sorted({str(token) for token in tokenizer.added_tokens_decoder.values() if token.special})
        self._specials = re.compile("|".join(map(re.escape, specials)) or r"(?!)")

    @cached_property
    def end_id(self) -> int:
        """The token with which the chat template ends the assistant's turn.

        It is usually the tokenizer's end-of-text token; in Gemma's template it is another.
        """
        chat = [*self._messages(_MARK, _MARK), {"role": "assistant", "content": _MARK}]
        text = self._templated(chat, add_generation_prompt=False)
        after = self.encode(text.rpartition(_MARK)[2])
        added = self._tokenizer.added_tokens_decoder
        if after and after[0] in added and added[after[0]].special:
            return after[0]
        return int(self._tokenizer.eos_token_id)

    @cached_property
    def line_end_ids(self) -> frozenset[int]:
        """The tokens that end a turn or the text, and every token whose text contains a line break."""
        texts = self._tokenizer.batch_decode([[i] for i in range(len(self._tokenizer))])
        return (
            frozenset(i for i, text in enumerate(texts) if "\n" in text or "\r" in text) | self.turn_end_ids
        )

    @cached_property
    def turn_end_ids(self) -> frozenset[int]:
        """The tokens that end a turn or the text."""
        return frozenset({self.end_id, int(self._tokenizer.eos_token_id)})

    def prompt_ids(self, instructions: str, message: str, forced_answer: str = "") -> tuple[int, ...]:
        """Token ids of a one-message chat, up to the point where the model continues `forced_answer`.

        The instructions are the system's message, or the beginning of the user's where the template has none.

        Texts that come from outside must have gone through `clean`: special tokens in them would otherwise be
        read as such.

        Raises:
            PromptTooLongError: the text has more characters than `room` tokens can represent. This is found
                before tokenising, which takes a second per megabyte.
        """
        text = self._templated(self._messages(instructions, message), add_generation_prompt=True)
        if self._room is not None and len(text) > self._longest_text:
            raise PromptTooLongError(
                f"the prompt has {len(text)} characters, more than {self._room} tokens stand for"
            )
        return self.encode(text) + self.encode(forced_answer)

    def _messages(self, instructions: str, message: str) -> list[dict[str, str]]:
        if self._takes_a_system:
            return [{"role": "system", "content": instructions}, {"role": "user", "content": message}]
        return [{"role": "user", "content": f"{instructions}\n\n{message}"}]

    @cached_property
    def _takes_a_system(self) -> bool:
        """Whether the template shows a system's message; some refuse it, others leave it out."""
        chat = [{"role": "system", "content": _MARK}, {"role": "user", "content": ""}]
        try:
            return _MARK in self._templated(chat, add_generation_prompt=True)
        except TemplateError:
            return False

    def _templated(self, chat: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        text = self._tokenizer.apply_chat_template(
            chat, add_generation_prompt=add_generation_prompt, tokenize=False, **_TEMPLATE_OPTIONS
        )
        return cast(str, text)

    @cached_property
    def _longest_text(self) -> float:
        """Largest number of characters of a prompt that can fit."""
        characters = longest_token(self._tokenizer)
        return inf if self._room is None or characters is None else self._room * characters

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of sampled tokens; special tokens are left out."""
        text = self._tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return cast(str, text)

    def clean(self, text: str) -> str:
        """`text` without special tokens and control characters, except for line breaks."""
        return printable(self._specials.sub(" ", text))

    def one_line(self, text: str, limit: int | None = None) -> str:
        """`text` cleaned, on one line with single spaces, its middle cut if it exceeds `limit` characters."""
        line = one_line(self._specials.sub(" ", text))
        return line if limit is None else cut_middle(line, limit)


def first_line(text: str) -> str:
    """The text up to its first line break, without surrounding blanks."""
    lines = text.splitlines()
    return lines[0].strip() if lines else ""


def cut_middle(text: str, limit: int) -> str:
    """`text` in at most `limit` characters: longer text keeps its beginning and end."""
    if len(text) <= limit:
        return text
    kept = max(0, limit - len(_CUT_MARK))
    return (text[: kept - kept // 2] + _CUT_MARK + text[len(text) - kept // 2 :])[:limit]


def fit(render: Callable[[TurnContext], tuple[int, ...]], context: TurnContext, room: int) -> tuple[int, ...]:
    """Renders `context` in at most `room` tokens: drops the oldest turns first, then cuts the observation.

    Turns are dropped in blocks, so that they are missing in the next prompts of the episode, too, and these
    share what is left. Dropping as few as possible would move the beginning at every turn, and nothing of a
    long transcript could be shared any more.

    Args:
        render: Function that makes the prompt; it can raise PromptTooLongError, see `Chat.prompt_ids`.
        context: Turn to render.
        room: Largest number of tokens.

    Raises:
        PromptTooLongError: goal, subgoal and instructions alone are too long.
    """

    def without(turns: int) -> tuple[int, ...] | None:
        return _within(room, render, replace(context, history=context.history[turns:]))

    if (whole := without(0)) is not None:
        return whole
    turns = len(context.history)
    if (best := without(turns)) is None:
        return _with_cut_observation(render, replace(context, history=()), room)
    # Bisection, because rendering takes time and an episode can have many turns.
    too_few, enough = 0, turns
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if (ids := without(middle)) is None:
            too_few = middle
        else:
            enough, best = middle, ids
    rounded = _rounded_up(enough, turns - enough)
    return best if rounded == enough else without(rounded) or best


def _rounded_up(dropped: int, kept: int) -> int:
    """The number of dropped turns, rounded up to a multiple of the largest power of two of which half of the
    kept ones are dropped at most."""
    block = 1 << max(0, (kept // 2).bit_length() - 1)
    return -(-dropped // block) * block


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
    # Bisection over the observation's length in characters, precise to 8 of them.
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
    """Largest number of characters that one token represents; None if there is no limit.

    There is none if the tokenizer has a token for unknown words, which can be of any length.
    """
    characters = max(map(len, tokenizer.get_vocab()), default=0)
    if tokenizer.is_fast and tokenizer.backend_tokenizer.normalizer is not None:
        characters *= _COMPOSED
    for unknown in ("\U000f1234", "qzx"):
        text = unknown * (4 * characters)
        if len(tokenizer.encode(text, add_special_tokens=False)) * characters < len(text):
            return None
    return characters
