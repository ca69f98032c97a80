"""Lessons in batches: each lesson is a prefix tree in rows of its own, filled up to the longest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from learner.update.packing import pack
from studies.nano.corpus import Lesson


@dataclass(frozen=True, eq=False)
class Tree:
    """What one lesson computes: N rows, and R tokens that are scored."""

    token_ids: Tensor
    """[N]"""
    positions: Tensor
    """[N] depth in the tree."""
    seen: npt.NDArray[np.uint8]
    """[N, N / 8 rounded up] bits: which rows a row attends to."""
    predicting: Tensor
    """[R] rows."""
    targets: Tensor
    """[R] tokens."""
    is_answer: Tensor
    """[R] False for the tokens of the transcript itself."""

    @classmethod
    def of(cls, lesson: Lesson) -> Tree:
        sequences = [*lesson.answers, lesson.transcript]
        rows = sum(len(sequence.computed_ids) for sequence in sequences)
        (one,) = pack(sequences, rows, torch.device("cpu"))
        seen = np.zeros((len(one.token_ids), len(one.token_ids)), dtype=np.bool_)
        for branch in one.branches:
            seen[branch.begin : branch.end, branch.path.numpy()] = ~branch.hidden.numpy()
        answers = [member < len(lesson.answers) for member in one.members]
        counts = [len(sequences[member].response_ids) for member in one.members]
        return cls(
            one.token_ids,
            one.positions,
            np.packbits(seen, axis=1),
            one.predicting,
            one.targets,
            torch.tensor(np.repeat(answers, counts)),
        )

    def hidden(self, rows: int) -> Tensor:
        """[N, rows] True where a row does not attend."""
        bits = np.unpackbits(self.seen, axis=1, count=len(self.token_ids))
        hidden = torch.ones(len(bits), rows, dtype=torch.bool)
        hidden[:, : len(bits)] = torch.from_numpy(bits == 0)
        return hidden


_ROWS, _SCORED = 64, 256
"""Sizes are rounded up to multiples of these: the CPU's bfloat16 kernels are compiled anew for each size."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B trees, each in as many rows N as the longest has, and a few more."""

    token_ids: Tensor
    """[B, N]"""
    positions: Tensor
    """[B, N]"""
    hidden: Tensor
    """[B, 1, N, N] True where a row does not attend; rows that only fill up attend to the first."""
    predicting: Tensor
    """[R] rows of the flattened batch."""
    targets: Tensor
    """[R]"""
    is_answer: Tensor
    """[R]"""
    is_transcript: Tensor
    """[R] neither of the two for the scored tokens at the end that only fill up."""

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> Batch:
        rows = _rounded(max(len(tree.token_ids) for tree in trees), _ROWS)
        shape = (len(trees), rows)
        token_ids, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        hidden = torch.ones(len(trees), 1, rows, rows, dtype=torch.bool)
        hidden[:, :, :, 0] = False
        for place, tree in enumerate(trees):
            own = len(tree.token_ids)
            token_ids[place, :own], positions[place, :own] = tree.token_ids, tree.positions
            hidden[place, 0, :own] = tree.hidden(rows)
        answers = torch.cat([tree.is_answer for tree in trees])
        filling = (0, _rounded(len(answers), _SCORED) - len(answers))
        return cls(
            token_ids,
            positions,
            hidden,
            pad(torch.cat([tree.predicting + place * rows for place, tree in enumerate(trees)]), filling),
            pad(torch.cat([tree.targets for tree in trees]), filling),
            pad(answers, filling),
            pad(~answers, filling),
        )


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
