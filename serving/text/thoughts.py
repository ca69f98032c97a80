"""Thinking aloud: a line of free text before the answer, which is trained with it and shown to nobody.

A prompt ends with the opening tag. The model writes its thought and the closing tag in one line, and its
answer in the next one. Nothing is put between the two, so that all tokens of an answer are the model's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

OPENING = "<think>"
"""The end of a prompt that asks for a thought."""
CLOSING = "</think>\n"
"""The end of a thought, with the line break that ends its line."""


def asked_for(instructions: str, tokens: int) -> str:
    """The instructions, with a request for a thought of at most that many tokens; 0 asks for none."""
    if not tokens:
        return instructions
    return (
        f"{instructions} Think first, in one line of at most {tokens} tokens: {OPENING} ... "
        f"{CLOSING.strip()} Then give the answer, and nothing else, in the next line."
    )


def length_of(token_ids: Sequence[int], line_end_ids: Collection[int]) -> int:
    """Number of tokens of the thought at the beginning of `token_ids`, including the one that ends its line.

    A thought that does not end leaves no tokens for an answer.
    """
    ends = (place for place, token in enumerate(token_ids, start=1) if token in line_end_ids)
    return next(ends, len(token_ids))
