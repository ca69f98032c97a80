"""AdamW on a named set of parameters; skips steps that are not finite, and fails after three in a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from core.errors import DivergedError

WEIGHT_DECAY = 0.01
MOST_SKIPPED = 3
"""Number of steps skipped in a row at which training gives up."""
STEP, EXP_AVG, EXP_AVG_SQ, SKIPPED = "step", "exp_avg", "exp_avg_sq", "skipped_in_a_row"
"""Last parts of the names in an optimizer's state."""
_MOMENTS = (STEP, EXP_AVG, EXP_AVG_SQ)


@dataclass(frozen=True)
class Step:
    """The result of an optimizer step."""

    gradient_norm: float
    """Norm of the gradient before clipping."""
    skipped: bool
    """Whether the step was skipped, because this norm or the loss was not finite."""


class Skips:
    """Counts the steps skipped in a row."""

    def __init__(self, owner: str) -> None:
        """`owner` names in messages whose steps they are."""
        self._owner = owner
        self.in_a_row = 0

    def count(self, loss: float, gradient_norm: float) -> Step:
        """Decides whether a step is taken or skipped.

        Raises:
            DivergedError: this is the third step in a row that is not finite.
        """
        step = Step(gradient_norm, skipped=not (math.isfinite(loss) and math.isfinite(gradient_norm)))
        self.in_a_row = self.in_a_row + 1 if step.skipped else 0
        if self.in_a_row >= MOST_SKIPPED:
            what = "gradient" if math.isfinite(loss) else "loss"
            raise DivergedError(
                f"the {self._owner}'s {what} was not finite in {self.in_a_row} steps in a row"
            )
        return step


class Optimizer(Protocol):
    """Updates the parameters of one adapter, which no other optimizer updates."""

    def step(self, loss: float) -> Step:
        """Applies the accumulated gradients and resets them; skips the step if anything is not finite."""
        ...

    def forget_gradients(self) -> None:
        """Resets the accumulated gradients without applying them."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, by name."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a state that `state` returned."""
        ...


class AdapterOptimizer:
    """AdamW with moments in float32, for parameters that no other optimizer updates."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        learning_rate: float,
        max_gradient_norm: float,
        owner: str = "adapter",
        fused: bool | None = None,
    ) -> None:
        """`owner` names in messages whose parameters they are; `fused` computes a step in one kernel, which
        None does on a GPU."""
        self._parameters = dict(parameters)
        self._max_gradient_norm = max_gradient_norm
        self._skips = Skips(owner)
        on_gpu = any(parameter.device.type == "cuda" for parameter in self._parameters.values())
        self._fused = on_gpu if fused is None else fused
        self._adamw = torch.optim.AdamW(
            self._parameters.values(), lr=learning_rate, weight_decay=WEIGHT_DECAY, fused=self._fused or None
        )

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate

    def step(self, loss: float = 0.0) -> Step:
        """Applies the accumulated gradients, scaled down to the largest norm allowed, and resets them.

        Args:
            loss: Loss of these gradients; the step is skipped if it or they are not finite.

        Raises:
            DivergedError: three steps in a row were not finite.
        """
        norm = float(nn.utils.clip_grad_norm_(self._parameters.values(), self._max_gradient_norm))
        step = self._skips.count(loss, norm)
        if not step.skipped:
            self._adamw.step()
        self.forget_gradients()
        return step

    def forget_gradients(self) -> None:
        self._adamw.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """The moments by parameter and name, none before the first step; and the number of steps skipped."""
        moments = {
            f"{name}/{moment}": self._adamw.state[parameter][moment]
            for name, parameter in self._parameters.items()
            if self._adamw.state.get(parameter)
            for moment in _MOMENTS
        }
        return moments | {SKIPPED: torch.tensor(self._skips.in_a_row)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a state that `state` returned."""
        self._adamw.state.clear()
        self._skips.in_a_row = int(state[SKIPPED])
        for name, parameter in self._parameters.items():
            if f"{name}/{_MOMENTS[0]}" in state:
                # The count of steps is on the CPU wherever the parameters are, unless a kernel reads it.
                counted = parameter.device if self._fused else torch.device("cpu")
                self._adamw.state[parameter] = {
                    STEP: state[f"{name}/{STEP}"].to(counted, copy=True),
                    EXP_AVG: state[f"{name}/{EXP_AVG}"].to(parameter.device, copy=True),
                    EXP_AVG_SQ: state[f"{name}/{EXP_AVG_SQ}"].to(parameter.device, copy=True),
                }
