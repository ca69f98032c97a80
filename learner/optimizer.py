"""AdamW on a named set of parameters; a step whose gradients are not finite is left out and counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WEIGHT_DECAY = 0.01
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Step:
    """What became of an optimizer step."""

    gradient_norm: float
    """Before clipping; not finite where the step was skipped."""
    skipped: bool


class AdapterOptimizer:
    """Holds AdamW's moments in float32. The parameters are its own: no other optimizer moves them."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], learning_rate: float, max_gradient_norm: float
    ) -> None:
        self._parameters = dict(parameters)
        self._max_gradient_norm = max_gradient_norm
        self._adamw = torch.optim.AdamW(
            self._parameters.values(), lr=learning_rate, weight_decay=WEIGHT_DECAY
        )

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate

    def step(self) -> Step:
        """Applies the accumulated gradients, scaled down to the greatest norm, and forgets them."""
        norm = float(nn.utils.clip_grad_norm_(self._parameters.values(), self._max_gradient_norm))
        finite = math.isfinite(norm)
        if finite:
            self._adamw.step()
        self.forget_gradients()
        return Step(norm, skipped=not finite)

    def forget_gradients(self) -> None:
        self._adamw.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """The moments by parameter and name; empty before the first step."""
        return {
            f"{name}/{moment}": self._adamw.state[parameter][moment]
            for name, parameter in self._parameters.items()
            if self._adamw.state.get(parameter)
            for moment in _MOMENTS
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` gave."""
        self._adamw.state.clear()
        for name, parameter in self._parameters.items():
            if f"{name}/{_MOMENTS[0]}" in state:
                self._adamw.state[parameter] = {m: state[f"{name}/{m}"].clone() for m in _MOMENTS}
