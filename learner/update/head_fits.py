"""Fits value heads to turns, with the same products of inputs for all fits of an update."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from learner.update.ridge import Ridge
from learner.update.value_heads import ValueHeads


@dataclass(frozen=True, eq=False)
class Lessons:
    """T turns that heads learn from."""

    planner: Tensor
    """[T, F] standardised inputs at the planner's prompts."""
    executor: Tensor
    """[T, F] standardised inputs at the executor's prompts."""
    targets: Tensor
    """[T, heads] targets, in units of the success reward."""
    learns: npt.NDArray[np.bool_]
    """[T, heads] whether the head learns from the turn."""
    groups: npt.NDArray[np.int64]
    """[T] group of each turn."""


class HeadFits:
    """Fits heads to any groups of turns."""

    def __init__(self, lessons: Sequence[Lessons], at_executor: Tensor, penalties: Sequence[float]) -> None:
        """`at_executor` [heads] is True for V_low; `penalties` are those of `Ridge` to choose from."""
        planner = torch.cat([one.planner for one in lessons])
        executor = torch.cat([one.executor for one in lessons])
        groups = np.concatenate([one.groups for one in lessons])
        learns = np.concatenate([one.learns for one in lessons])
        self._targets = torch.cat([one.targets for one in lessons])
        self._penalties = penalties
        self._planner = Ridge(planner, groups)
        self._returns = self._targets[:, int(at_executor.nonzero()[0])]
        self._heads = []
        for place, low in enumerate(at_executor.tolist()):
            rows = np.flatnonzero(learns[:, place])
            everywhere = self._planner if not low and len(rows) == len(groups) else None
            of_head = everywhere or Ridge((executor if low else planner)[rows], groups[rows])
            self._heads.append((rows, of_head))

    def fitted(self, heads: ValueHeads, learnt: Collection[int], held_out: Collection[int]) -> ValueHeads:
        """The heads, fitted to these groups: first the shared part, then what it leaves to each head."""
        shared, _ = self._planner.fit(self._returns, learnt, held_out, self._penalties)
        left = self._targets - self._planner.predicted(shared)[:, None]
        differences = [
            of_head.fit(left[rows, place], learnt, held_out, self._penalties)[0]
            for place, (rows, of_head) in enumerate(self._heads)
        ]
        return replace(heads, shared=shared, differences=torch.stack(differences))
