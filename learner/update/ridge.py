"""Ridge regression whose penalty is chosen by rows that are held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Groups = npt.NDArray[np.int64]


class Ridge:
    """Regressions on the same N rows of D standardised inputs, which are divided into groups.

        w, b = argmin sum over rows (y - w x - b)^2 + penalty * D * |w|^2

    With inputs of deviation 1, the best penalty is the ratio of the variances of noise and signal, whatever N
    and D are: for weights drawn with variance s^2 / D, w x has variance s^2, and the posterior mean of w is
    the solution with the penalty noise^2 / s^2. The inputs' products are computed once for each group.
    """

    def __init__(self, inputs: Tensor, groups: Groups) -> None:
        """Takes inputs [N, D], in float64, and the group of each row [N]."""
        self._inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
        self._rows = {int(group): np.flatnonzero(groups == group) for group in np.unique(groups)}
        self._products = {
            group: self._inputs[rows].T @ self._inputs[rows] for group, rows in self._rows.items()
        }

    def fit(
        self, targets: Tensor, learnt: Collection[int], held_out: Collection[int], penalties: Sequence[float]
    ) -> tuple[Tensor, float]:
        """Fits to the targets [N] of the groups `learnt`, with the penalty that predicts `held_out` best.

        That penalty is then used for a fit to both. Without rows held out, it is the one in the middle.

        Returns:
            The weights [D + 1], the last of which is b, all 0 if there are no rows; and the penalty.
        """
        learnt, held_out = self._known(learnt), self._known(held_out)
        if not learnt or not held_out:
            penalty = penalties[len(penalties) // 2]
        else:
            errors = [self._error(self._solved(targets, learnt, p), targets, held_out) for p in penalties]
            penalty = penalties[int(np.argmin(errors))]
        return self._solved(targets, learnt + held_out, penalty), penalty

    def predicted(self, weights: Tensor) -> Tensor:
        """[N] predictions of all rows."""
        return self._inputs @ weights

    def _known(self, groups: Collection[int]) -> list[int]:
        return [group for group in groups if group in self._rows]

    def _solved(self, targets: Tensor, groups: list[int], penalty: float) -> Tensor:
        size = self._inputs.shape[1]
        if not groups:
            return self._inputs.new_zeros(size)
        rows = np.concatenate([self._rows[group] for group in groups])
        penalties = self._inputs.new_full((size,), penalty * (size - 1))
        penalties[-1] = 0.0
        products = sum(self._products[group] for group in groups) + torch.diag(penalties)
        weights: Tensor = torch.linalg.solve(products, self._inputs[rows].T @ targets[rows])
        return weights

    def _error(self, weights: Tensor, targets: Tensor, groups: list[int]) -> float:
        rows = np.concatenate([self._rows[group] for group in groups])
        return float((self._inputs[rows] @ weights - targets[rows]).square().mean())
