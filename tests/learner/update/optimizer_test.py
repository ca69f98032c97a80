"""AdamW's steps by hand, clipping, and the state that a run is resumed from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from core.errors import DivergedError
from learner.update.optimizer import SKIPPED, AdapterOptimizer, Skips


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def give(parameter: nn.Parameter, *gradient: float) -> None:
    parameter.grad = torch.tensor(gradient)


def test_the_first_step_moves_each_weight_by_the_learning_rate() -> None:
    weight = parameter(1.0, -2.0)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=100.0)
    give(weight, 3.0, -4.0)
    step = optimizer.step()
    assert (step.gradient_norm, step.skipped) == (5.0, False)
    # Decay by 0.1 · 0.01, then a step of 0.1 against the gradient's sign: the moments' ratio is 1.
    assert weight.tolist() == pytest.approx([1.0 * 0.999 - 0.1, -2.0 * 0.999 + 0.1], abs=1e-6)
    assert weight.grad is None


def test_the_norm_is_that_before_clipping_and_the_gradient_is_scaled_down() -> None:
    weight, other = parameter(0.0), parameter(0.0)
    optimizer = AdapterOptimizer({"a": weight, "b": other}, learning_rate=0.1, max_gradient_norm=1.0)
    give(weight, 30.0)
    give(other, 40.0)
    assert optimizer.step().gradient_norm == pytest.approx(50.0)
    state = optimizer.state()
    # The first moment is a tenth of the clipped gradient, which is 30 / 50 and 40 / 50.
    assert state["a/exp_avg"].tolist() == pytest.approx([0.06], rel=1e-4)
    assert state["b/exp_avg"].tolist() == pytest.approx([0.08], rel=1e-4)


def test_the_learning_rate_can_be_changed() -> None:
    weight = parameter(0.0)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=1.0)
    optimizer.set_learning_rate(0.02)
    give(weight, 1.0)
    optimizer.step()
    assert weight.tolist() == pytest.approx([-0.02], abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "gradient"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, math.nan), (0.0, math.inf)]
)
def test_a_step_that_is_not_finite_changes_nothing(loss: float, gradient: float) -> None:
    weight = parameter(1.0)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=1.0)
    give(weight, gradient)
    assert optimizer.step(loss).skipped
    assert weight.tolist() == [1.0] and weight.grad is None
    assert optimizer.state().keys() == {SKIPPED} and int(optimizer.state()[SKIPPED]) == 1
    give(weight, 1.0)
    assert not optimizer.step().skipped
    assert int(optimizer.state()[SKIPPED]) == 0


def test_gradients_can_be_forgotten() -> None:
    weight = parameter(1.0)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=1.0)
    give(weight, 1.0)
    optimizer.forget_gradients()
    assert weight.grad is None


def trained(
    steps: int, state: dict[str, Tensor] | None = None, start: float = 1.0, fused: bool | None = None
) -> tuple[float, dict[str, Tensor]]:
    weight = parameter(start)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=10.0, fused=fused)
    if state is not None:
        optimizer.load_state(state)
    for _ in range(steps):
        (weight.square().sum() * 3).backward()
        optimizer.step()
    return weight.item(), optimizer.state()


@pytest.mark.parametrize("fused", [False, True])
def test_a_state_that_is_loaded_continues_bit_for_bit(fused: bool) -> None:
    whole, _ = trained(5, fused=fused)
    half, state = trained(2, fused=fused)
    assert trained(3, state, half, fused)[0] == whole
    assert trained(3, None, half, fused)[0] != whole, "the moments matter"


def test_a_fused_step_is_the_same_but_for_rounding() -> None:
    assert trained(5, fused=True)[0] == pytest.approx(trained(5, fused=False)[0], rel=1e-6)


def test_a_state_is_a_copy_in_its_new_place() -> None:
    half, state = trained(2)
    kept = {name: value.clone() for name, value in state.items()}
    trained(3, state, start=half)
    assert all(torch.equal(state[name], kept[name]) for name in kept)


def test_a_state_before_the_first_step_has_no_moments() -> None:
    weight = parameter(1.0)
    optimizer = AdapterOptimizer({"w": weight}, learning_rate=0.1, max_gradient_norm=1.0)
    fresh = optimizer.state()
    assert fresh.keys() == {SKIPPED}
    give(weight, 1.0)
    optimizer.step()
    optimizer.load_state(fresh)
    assert optimizer.state().keys() == {SKIPPED}, "what was there before is gone"


def test_skipped_steps_are_counted_in_a_row_and_across_a_state() -> None:
    optimizer = AdapterOptimizer({"w": parameter(1.0)}, 0.1, 1.0, owner="planner")
    optimizer.load_state({SKIPPED: torch.tensor(2)})
    with pytest.raises(DivergedError, match="the planner's loss was not finite in 3 steps in a row"):
        optimizer.step(math.nan)


def test_what_was_not_finite_is_named() -> None:
    skips = Skips("critic")
    assert skips.count(0.0, math.nan).skipped and skips.count(math.nan, 1.0).skipped
    with pytest.raises(DivergedError, match="the critic's gradient was not finite"):
        skips.count(0.0, math.inf)
