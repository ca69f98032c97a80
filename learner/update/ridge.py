"""Ridge regression whose penalty is chosen by rows that are held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Groups = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


class Ridge:
    """Regressions on the same N rows of D standardised inputs, which are divided into groups.

        w, b = argmin sum over rows (y - w x - b)^2 + penalty * D * |w|^2

    With inputs of deviation 1, the best penalty is the ratio of the variances of noise and signal, whatever N
    and D are: for weights drawn with variance s^2 / D, w x has variance s^2, and the posterior mean of w is
    the solution with the penalty noise^2 / s^2.

    Products of inputs are computed once: those of the rows if there are fewer rows than inputs, and then each
    solution is a combination of rows; otherwise those of the inputs, summed over the rows of each group.
    """

    def __init__(self, inputs: Tensor, groups: Groups) -> None:
        """Takes inputs [N, D], in float64, and the group of each row [N]."""
        self._inputs = inputs
        self._rows = {int(group): np.flatnonzero(groups == group) for group in np.unique(groups)}
        few = len(inputs) < inputs.shape[1]
        self._of_rows = inputs @ inputs.T if few else None
        self._of_inputs = {} if few else {group: self._moments(rows) for group, rows in self._rows.items()}

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
        return self._inputs @ weights[:-1] + weights[-1]

    def _known(self, groups: Collection[int]) -> list[int]:
        return [group for group in groups if group in self._rows]

    def _solved(self, targets: Tensor, groups: list[int], penalty: float) -> Tensor:
        if not groups:
            return self._inputs.new_zeros(self._inputs.shape[1] + 1)
        rows = np.concatenate([self._rows[group] for group in groups])
        solved = self._by_inputs if self._of_rows is None else self._by_rows
        return solved(targets[rows], groups, rows, penalty * self._inputs.shape[1])

    def _by_rows(self, targets: Tensor, groups: list[int], rows: Rows, penalty: float) -> Tensor:
        """By the products of the rows. Inputs and targets are centred, which leaves b without a penalty."""
        assert self._of_rows is not None
        products = self._of_rows[rows][:, rows]
        means = products.mean(0)
        centred = products - means - means[:, None] + means.mean()
        identity = torch.eye(len(rows), dtype=centred.dtype, device=centred.device)
        # The shares sum to 0, as the centred targets do, so that the inputs need not be centred here.
        shares = torch.linalg.solve(centred + penalty * identity, targets - targets.mean())
        weights = self._inputs[rows].T @ shares
        return torch.cat([weights, (targets.mean() - self._inputs[rows].mean(0) @ weights)[None]])

    def _by_inputs(self, targets: Tensor, groups: list[int], rows: Rows, penalty: float) -> Tensor:
        penalties = targets.new_full((self._inputs.shape[1] + 1,), penalty)
        penalties[-1] = 0.0
        products = sum(self._of_inputs[group] for group in groups) + torch.diag(penalties)
        weights: Tensor = torch.linalg.solve(products, self._with_ones(rows).T @ targets)
        return weights

    def _moments(self, rows: Rows) -> Tensor:
        chosen = self._with_ones(rows)
        return chosen.T @ chosen

    def _with_ones(self, rows: Rows) -> Tensor:
        chosen = self._inputs[rows]
        return torch.cat([chosen, torch.ones_like(chosen[:, :1])], dim=1)

    def _error(self, weights: Tensor, targets: Tensor, groups: list[int]) -> float:
        rows = np.concatenate([self._rows[group] for group in groups])
        return float((self._inputs[rows] @ weights[:-1] + weights[-1] - targets[rows]).square().mean())
