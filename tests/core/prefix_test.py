"""The shared prefix of two token sequences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.prefix import shared_length

TOKENS = st.lists(st.integers(0, 2), max_size=8)


@given(TOKENS, TOKENS)
def test_it_is_the_longest_common_beginning(first: list[int], second: list[int]) -> None:
    shortest = min(len(first), len(second))
    expected = max(length for length in range(shortest + 1) if first[:length] == second[:length])
    assert shared_length(first, second) == shared_length(second, first) == expected


@given(TOKENS, TOKENS)
def test_an_extension_shares_all(tokens: list[int], more: list[int]) -> None:
    assert shared_length(tokens, tokens + more) == len(tokens)
