"""Keeps computed prompts, so that a later prompt can copy the prefix that it shares with one of them."""

from __future__ import annotations

import torch

from core.prefix import shared_length

_TAIL = 32
"""Number of tokens at the end in which a kept prompt may differ from a longer one that replaces it."""
_MOSTLY_SHARED = 4 * _TAIL
"""Length below which a prompt is never replaced: the tail would be too large a part of it."""


class PrefixStore:
    """Keys and values of recent prompts of one adapter version; drops the least recently used ones first.

    A prompt that continues a kept one replaces it: an episode whose prompts are transcripts takes the place
    of one prompt, however many turns it has.
    """

    def __init__(self, capacity: int) -> None:
        """`capacity` is the largest number of tokens of all prompts together."""
        self._capacity = capacity
        # Least recently used first. Not an OrderedDict, which hashes every key when it is iterated over.
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    def longest(self, prompt_ids: tuple[int, ...]) -> tuple[int, torch.Tensor | None]:
        """The number of tokens that can be copied, and the keys and values to copy them from.

        The last token of a prompt is always computed: its output gives the first answer token.
        """
        best, found, most = 0, None, len(prompt_ids) - 1
        for ids in self._kept:
            # To be longer than the best so far, a prefix must agree at the next token, and most do not.
            if best < min(len(ids), most) and ids[best] == prompt_ids[best]:
                shared = min(shared_length(ids, prompt_ids), most)
                if shared > best:
                    best, found = shared, ids
        if found is None:
            return 0, None
        self._kept[found] = kept = self._kept.pop(found)
        return best, kept

    def add(self, prompt_ids: tuple[int, ...], keys_and_values: torch.Tensor) -> None:
        for ids in [ids for ids in self._kept if _goes_on(prompt_ids, ids)]:
            del self._kept[ids]
        self._kept[prompt_ids] = keys_and_values
        while len(self._kept) > 1 and sum(map(len, self._kept)) > self._capacity:
            del self._kept[next(iter(self._kept))]

    def __contains__(self, prompt_ids: tuple[int, ...]) -> bool:
        return prompt_ids in self._kept

    def clear(self) -> None:
        """Drops everything; needed after a switch, as another adapter computes other keys and values."""
        self._kept.clear()


def _goes_on(prompt_ids: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """Whether a prompt repeats an earlier one except for its tail: only that is lost by dropping it."""
    repeated = len(before) - _TAIL
    if len(before) < _MOSTLY_SHARED or len(prompt_ids) < repeated:
        return False
    # The last of these tokens first: it differs in most prompts, and the long comparison is avoided.
    last = repeated - 1
    return prompt_ids[last] == before[last] and prompt_ids[:last] == before[:last]
