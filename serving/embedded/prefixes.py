"""Prompts that were computed, kept so that a later prompt can copy what it shares with one of them."""

from __future__ import annotations

import torch

from core.prefix import shared_length

_TAIL = 32
"""Tokens that a prompt may end in otherwise than the one before it, and still take its place."""
_MOSTLY_SHARED = 4 * _TAIL
"""A shorter prompt keeps its place: its tail would be too much of it."""


class PrefixStore:
    """Keys and values of recent prompts of one adapter version, the least recently used dropped first.

    A prompt that goes on from a kept one takes its place: an episode whose prompts are transcripts then has
    one prompt here, however many turns it has.
    """

    def __init__(self, capacity: int) -> None:
        """`capacity` is in tokens, of all prompts together."""
        self._capacity = capacity
        # The least recently used first. Not an OrderedDict, which hashes each key when it is iterated over.
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    def longest(self, prompt_ids: tuple[int, ...]) -> tuple[int, torch.Tensor | None]:
        """How many tokens can be copied, and keys and values to copy them from.

        The last token of a prompt is never copied: its computation gives the first answer token.
        """
        best, found, most = 0, None, len(prompt_ids) - 1
        for ids in self._kept:
            # Most prompts differ from this one in the next token already, and nothing else is compared.
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
        """Forgets everything: another adapter computes other keys and values."""
        self._kept.clear()


def _goes_on(prompt_ids: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """Whether a prompt repeats the one before it, the tail aside: nothing else is lost when it is dropped."""
    repeated = len(before) - _TAIL
    if len(before) < _MOSTLY_SHARED or len(prompt_ids) < repeated:
        return False
    # The last of these tokens first: in most prompts it is another one, and nothing else is compared.
    last = repeated - 1
    return prompt_ids[last] == before[last] and prompt_ids[:last] == before[:last]
