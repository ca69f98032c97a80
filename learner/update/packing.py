"""Packs token sequences without padding, and computes shared prefixes only once.

After sorting by their tokens, sequences with a common prefix are neighbours. A pack takes them in that order,
and each adds only the tokens after the prefix that it shares with the one before. Together, the rows of a
pack are the nodes of a prefix tree in depth-first order. A row attends to its path from the root and has its
depth as position, so that its result is the same as in its own sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.prefix import shared_length


@dataclass(frozen=True)
class TokenSequence:
    """A prompt, and the answer whose tokens are to be scored; the answer can be empty."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...] = ()

    @property
    def computed_ids(self) -> tuple[int, ...]:
        """The tokens to compute: all but the last one of the answer, which predicts nothing."""
        return self.prompt_ids + self.response_ids[:-1]


@dataclass(frozen=True, eq=False)
class Branch:
    """The rows `begin` to `end` that one sequence adds to a pack."""

    begin: int
    end: int
    rows: tuple[int, ...]
    """[L] rows of the sequence's L tokens, in order; the last `end - begin` of them are its own."""
    device: torch.device

    @cached_property
    def path(self) -> Tensor:
        """[L] `rows`, on the device; made only where a pack is computed branch by branch."""
        return torch.tensor(self.rows, device=self.device)

    @cached_property
    def bias(self) -> Tensor:
        """[end - begin, L] minus infinity where a row of the path comes after an own row, else 0, float32."""
        later = self.path[None, :] > torch.arange(self.begin, self.end, device=self.device)[:, None]
        return torch.zeros(later.shape, device=self.device).masked_fill_(later, -torch.inf)


@dataclass(frozen=True, eq=False)
class Pack:
    """N rows that are computed together, for S sequences with R answer tokens in all."""

    token_ids: Tensor
    """[N] token of each row."""
    positions: Tensor
    """[N] depth of each row in the prefix tree, from 0."""
    branches: tuple[Branch, ...]
    """Branches in the order of their rows; sequences that add no row have none."""
    members: tuple[int, ...]
    """[S] places of the sequences in the list that was packed."""
    prompt_ends: Tensor
    """[S] row of each member's last prompt token."""
    predicting: Tensor
    """[R] row that predicts each answer token, member after member."""
    targets: Tensor
    """[R] answer tokens, member after member."""

    def bias(self, dtype: torch.dtype) -> Tensor:
        """[N, N] 0 where a row attends to another, else minus infinity."""
        count, device = len(self.token_ids), self.token_ids.device
        # Each row starts at a multiple of 16 numbers: torch's kernel would copy any other mask in every
        # layer.
        wide = torch.zeros((count, -(-count // 16) * 16), dtype=dtype, device=device)
        return wide[:, :count].masked_fill_(~self.seen(), -torch.inf)

    def seen(self) -> Tensor:
        """[N, N] whether a row attends to another: to itself and to all before it on its path."""
        rows = torch.arange(len(self.token_ids), device=self.token_ids.device)
        return (rows <= rows[:, None]) & (rows[:, None] < self._subtree_ends)

    @cached_property
    def _subtree_ends(self) -> Tensor:
        """[N] row after the last one whose path contains the row. In depth-first order, all rows from the row
        itself to that one have it in their paths."""
        ends = np.zeros(len(self.token_ids), dtype=np.int64)
        for branch in self.branches:
            ends[list(branch.rows)] = branch.end
        return torch.from_numpy(ends).to(self.token_ids.device)


def pack(sequences: Sequence[TokenSequence], pack_tokens: int, device: torch.device) -> list[Pack]:
    """Makes packs of at most `pack_tokens` rows; a sequence that is longer gets a pack of its own.

    Raises:
        ValueError: a sequence has no prompt.
    """
    if any(not sequence.prompt_ids for sequence in sequences):
        raise ValueError("a sequence without a prompt cannot be packed")
    order = sorted(range(len(sequences)), key=lambda place: sequences[place].computed_ids)
    packs: list[Pack] = []
    open_pack = _OpenPack()
    for place in order:
        if open_pack.members and open_pack.size_with(sequences[place]) > pack_tokens:
            packs.append(open_pack.close(device))
            open_pack = _OpenPack()
        open_pack.add(place, sequences[place])
    if open_pack.members:
        packs.append(open_pack.close(device))
    return packs


def computed_tokens(packs: Sequence[Pack]) -> int:
    """Number of rows of all packs, less than the sequences' number of tokens where prefixes are shared."""
    return sum(len(pack.token_ids) for pack in packs)


def dealt(
    packs: int, minibatches: int, epochs: int, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Yields the places of each minibatch's packs; every epoch deals out all packs anew, as evenly as it can.

    An epoch has fewer minibatches than asked for if there are fewer packs.
    """
    for _ in range(epochs):
        yield from np.array_split(generator.permutation(packs), min(minibatches, packs))


class _OpenPack:
    def __init__(self) -> None:
        self.members: list[int] = []
        self._token_ids: list[int] = []
        self._positions: list[int] = []
        self._last: tuple[int, ...] = ()
        self._path: list[int] = []
        self._branches: list[tuple[int, int, list[int]]] = []
        self._prompt_ends: list[int] = []
        self._predicting: list[int] = []
        self._targets: list[int] = []

    def size_with(self, sequence: TokenSequence) -> int:
        ids = sequence.computed_ids
        return len(self._token_ids) + len(ids) - shared_length(ids, self._last)

    def add(self, place: int, sequence: TokenSequence) -> None:
        ids = sequence.computed_ids
        shared = shared_length(ids, self._last)
        begin, end = len(self._token_ids), len(self._token_ids) + len(ids) - shared
        self._path = [*self._path[:shared], *range(begin, end)]
        self._last = ids
        self._token_ids += ids[shared:]
        self._positions += range(shared, len(ids))
        if end > begin:
            self._branches.append((begin, end, self._path))
        # A token is predicted by the row before it: an answer's first token by the last row of the prompt.
        last_of_prompt = len(sequence.prompt_ids) - 1
        self.members.append(place)
        self._prompt_ends.append(self._path[last_of_prompt])
        self._predicting += self._path[last_of_prompt : last_of_prompt + len(sequence.response_ids)]
        self._targets += sequence.response_ids

    def close(self, device: torch.device) -> Pack:
        def ids(values: Sequence[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long, device=device)

        return Pack(
            token_ids=ids(self._token_ids),
            positions=ids(self._positions),
            branches=tuple(Branch(begin, end, tuple(path), device) for begin, end, path in self._branches),
            members=tuple(self.members),
            prompt_ends=ids(self._prompt_ends),
            predicting=ids(self._predicting),
            targets=ids(self._targets),
        )
