"""Batches of lessons: each lesson is a prefix tree with rows of its own, padded to the longest one."""

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
    """The computation of a lesson, with N rows and R tokens that are scored."""

    token_ids: Tensor
    """[N] token of each row."""
    positions: Tensor
    """[N] depth of each row in the tree."""
    seen: npt.NDArray[np.uint8]
    """[N, N / 8 rounded up] bits that say which rows each row attends to."""
    predicting: Tensor
    """[R] row that predicts each scored token."""
    targets: Tensor
    """[R] scored tokens."""
    is_answer: Tensor
    """[R] whether the token is part of an answer rather than of the transcript."""

    @classmethod
    def of(cls, lesson: Lesson) -> Tree:
        sequences = [*lesson.answers, lesson.transcript]
        rows = sum(len(sequence.computed_ids) for sequence in sequences)
        (one,) = pack(sequences, rows, torch.device("cpu"))
        answers = [member < len(lesson.answers) for member in one.members]
        counts = [len(sequences[member].response_ids) for member in one.members]
        return cls(
            one.token_ids,
            one.positions,
            np.packbits(one.seen().numpy(), axis=1),
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
"""Multiples to which sizes are rounded up: the CPU's bfloat16 kernels are compiled anew for each size."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B trees, padded to the same number N of rows."""

    token_ids: Tensor
    """[B, N] token of each row."""
    positions: Tensor
    """[B, N] depth of each row in its tree."""
    hidden: Tensor
    """[B, 1, N, N] True where a row does not attend; padding rows attend to the first row."""
    predicting: Tensor
    """[R] row, in the flattened batch, that predicts each scored token."""
    targets: Tensor
    """[R] scored tokens, with padding at the end."""
    is_answer: Tensor
    """[R] whether the token is part of an answer; False for padding."""
    is_transcript: Tensor
    """[R] whether the token is part of a transcript; False for padding."""

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> Batch:
        rows = _rounded(max(len(tree.token_ids) for tree in trees), _ROWS)
        shape = (len(trees), rows)
        token_ids, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        hidden = torch.ones(len(trees), 1, rows, rows, dtype=torch.bool)
        # A row that attends to nothing would be NaN, also in the gradients of the others.
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
