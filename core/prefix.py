"""Shared prefixes of token sequences."""

from __future__ import annotations

from collections.abc import Sequence


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common prefix of two token sequences."""
    shortest = min(len(first), len(second))
    # The usual case, in which one sequence extends the other, as one fast comparison.
    if first[:shortest] == second[:shortest]:
        return shortest
    return next(i for i in range(shortest) if first[i] != second[i])
