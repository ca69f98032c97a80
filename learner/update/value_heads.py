"""The value heads: linear functions of what the critic sees of a turn, of which all share one part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_FARTHEST = 5.0
"""Largest standardised input: an input that hardly varied in the first batch may vary later."""
_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, eq=False)
class ValueHeads:
    """V_high, V_switch and V_low, in units of the success reward.

        V_head = shared(x_planner) + difference_head(x)

    with x = x_planner for V_high and V_switch, and x_executor for V_low. `shared` is the value of a turn
    before the planner's decision, and learns from all turns. What a head adds is small: the value before a
    choice is the mean of the values after it (Zhang and Whiteson, DAC, arXiv 1904.12691).
    """

    mean: Tensor
    """[2, F] mean of each input over the planner's (0) and the executor's (1) prompts of the first batch."""
    deviation: Tensor
    """[2, F] standard deviation of the same."""
    shared: Tensor
    """[F + 1] weights of the shared part; the last one is a constant."""
    differences: Tensor
    """[heads, F + 1] weights of the heads' own parts."""

    @classmethod
    def untaught(cls, heads: int, inputs: int) -> ValueHeads:
        """Heads of `inputs` inputs whose values are 0."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64)

        return cls(zeros(2, inputs), zeros(2, inputs), zeros(inputs + 1), zeros(heads, inputs + 1))

    @property
    def ready(self) -> bool:
        """Whether they know how inputs are standardised."""
        return bool(self.deviation.any())

    def standardizing(self, planner: Tensor, executor: Tensor) -> ValueHeads:
        """These heads, with inputs standardised as the first batch's [T, F] of both roles suggest."""
        both = (planner, executor)
        mean = torch.stack([one.mean(0) for one in both])
        deviation = torch.stack([one.std(0, correction=0) + _LEAST_DEVIATION for one in both])
        return ValueHeads(mean, deviation, self.shared, self.differences)

    def standardized(self, inputs: Tensor, role: int) -> Tensor:
        """[T, F] standardised inputs of the planner's (0) or the executor's (1) prompts."""
        return ((inputs - self.mean[role]) / self.deviation[role]).clamp(-_FARTHEST, _FARTHEST)

    def values(self, planner: Tensor, executor: Tensor, at_executor: Tensor) -> Tensor:
        """[T, heads] values of standardised inputs [T, F]; `at_executor` [heads] is True for V_low."""
        of_planner, of_executor = (_linear(inputs, self.differences) for inputs in (planner, executor))
        return _linear(planner, self.shared[None]) + torch.where(at_executor, of_executor, of_planner)

    def tensors(self) -> dict[str, Tensor]:
        """All that the values depend on, by name."""
        return dict(vars(self))


def _linear(inputs: Tensor, weights: Tensor) -> Tensor:
    return inputs @ weights[:, :-1].T + weights[:, -1]
