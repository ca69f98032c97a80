"""What token sequences begin with in common."""

from __future__ import annotations

from collections.abc import Sequence


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    shortest = min(len(first), len(second))
    if first[:shortest] == second[:shortest]:
        return shortest
    return next(i for i in range(shortest) if first[i] != second[i])
