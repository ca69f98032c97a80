"""The shared prefix of two token sequences."""

from __future__ import annotations

from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from core.prefix import shared_length

TOKENS = st.lists(st.integers(0, 2), max_size=8)


@given(TOKENS, TOKENS)
def test_it_is_what_comparing_token_by_token_gives(first: list[int], second: list[int]) -> None:
    pairs = zip(first, second, strict=False)
    expected = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    assert shared_length(first, second) == shared_length(second, first) == expected


@given(TOKENS, TOKENS)
def test_an_extension_shares_all(tokens: list[int], more: list[int]) -> None:
    assert shared_length(tokens, tokens + more) == len(tokens)
