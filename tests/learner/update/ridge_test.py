"""Ridge regression on groups of rows, against the closed form on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from learner.update.ridge import Ridge

GROUPS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0] * 6)


def data(noise: float = 0.5) -> tuple[Tensor, Tensor]:
    """Inputs [60, 4], and targets that are a linear function of them with noise."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    random = torch.randn(60, generator=generator, dtype=torch.float64)
    return inputs, inputs @ torch.tensor([1.0, -1.0, 0.5, 0.0]).double() + 2.0 + noise * random


def closed_form(inputs: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """[5] weights, with the constant last; by centring, which leaves the constant without a penalty."""
    x, y = inputs - inputs.mean(0), targets - targets.mean()
    w = torch.linalg.solve(x.T @ x + penalty * 4 * torch.eye(4).double(), x.T @ y)
    return torch.cat([w, (targets.mean() - inputs.mean(0) @ w)[None]])


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_weights_are_those_of_the_closed_form(penalty: float) -> None:
    inputs, targets = data()
    rows = np.flatnonzero(GROUPS != 1)
    weights, used = Ridge(inputs, GROUPS).fit(targets, [0, 2], [], [penalty])
    assert used == penalty
    torch.testing.assert_close(weights, closed_form(inputs[rows], targets[rows], penalty))


@pytest.mark.parametrize("noise", [0.1, 10.0])
def test_the_penalty_that_predicts_best_what_was_held_out_is_used_for_all(noise: float) -> None:
    inputs, targets = data(noise)
    penalties = (0.01, 1.0, 100.0)
    learnt, held_out = np.flatnonzero(GROUPS != 1), np.flatnonzero(GROUPS == 1)

    def error(penalty: float) -> float:
        w = closed_form(inputs[learnt], targets[learnt], penalty)
        return float((inputs[held_out] @ w[:-1] + w[-1] - targets[held_out]).square().mean())

    weights, used = Ridge(inputs, GROUPS).fit(targets, [0, 2], [1], penalties)
    assert used == min(penalties, key=error)
    assert (used == 0.01) == (noise == 0.1)
    torch.testing.assert_close(weights, closed_form(inputs, targets, used))


def test_other_groups_do_not_matter() -> None:
    inputs, targets = data()
    one = Ridge(inputs, GROUPS).fit(targets, [0], [2], (0.1, 1.0))
    changed = targets + 100.0 * torch.from_numpy(GROUPS == 1)
    other = Ridge(inputs, GROUPS).fit(changed, [0], [2], (0.1, 1.0))
    assert torch.equal(one[0], other[0]) and one[1] == other[1]


def test_without_rows_the_weights_are_zero_and_the_penalty_that_in_the_middle() -> None:
    inputs, targets = data()
    ridge = Ridge(inputs, GROUPS)
    weights, used = ridge.fit(targets, [7], [], (0.1, 1.0, 10.0))
    assert weights.tolist() == [0.0] * 5 and used == 1.0
    assert not ridge.predicted(weights).any()


def test_predictions_are_of_all_rows() -> None:
    inputs, targets = data(noise=0.0)
    ridge = Ridge(inputs, GROUPS)
    weights, _ = ridge.fit(targets, [0], [], [1e-9])
    torch.testing.assert_close(ridge.predicted(weights), targets, atol=1e-6, rtol=0)


@pytest.mark.parametrize("inputs", [59, 60, 61, 300])
@pytest.mark.parametrize("penalty", [0.3, 30.0])
def test_few_rows_with_many_inputs_have_the_same_solution(inputs: int, penalty: float) -> None:
    generator = torch.Generator().manual_seed(1)
    wide = torch.randn(60, inputs, generator=generator, dtype=torch.float64) + 0.5
    targets = wide[:, 0] - wide[:, 1] + 2.0
    rows = np.flatnonzero(GROUPS != 1)
    weights, _ = Ridge(wide, GROUPS).fit(targets, [0, 2], [], [penalty])
    x, y = wide[rows] - wide[rows].mean(0), targets[rows] - targets[rows].mean()
    expected = torch.linalg.solve(x.T @ x + penalty * inputs * torch.eye(inputs).double(), x.T @ y)
    torch.testing.assert_close(weights[:-1], expected)
    torch.testing.assert_close(weights[-1], targets[rows].mean() - wide[rows].mean(0) @ expected)
