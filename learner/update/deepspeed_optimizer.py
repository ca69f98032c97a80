"""AdamW run by DeepSpeed: adds up the gradients of all ranks, and shards its state between them (ZeRO)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import deepspeed
import torch
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)
from torch import Tensor, nn

from learner.update.optimizer import EXP_AVG, EXP_AVG_SQ, SKIPPED, STEP, WEIGHT_DECAY, Skips, Step
from learner.update.ranks import Ranks


class _Master(nn.Module):
    """A copy of all parameters in one vector, which DeepSpeed shards and updates.

    Its loss is linear in the vector, so that the gradient is whatever `forward` is called with. The packs,
    whose number and sizes differ between ranks, are thus computed without DeepSpeed, which takes part once
    per step, in the same way on every rank.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(size, device=device))

    def forward(self, gradient: Tensor) -> Tensor:
        return torch.dot(self.weights, gradient)


class DeepSpeedOptimizer:
    """Like `AdapterOptimizer`, on several ranks. All ranks must call the same methods in the same order.

    Every rank holds all of the parameters themselves; DeepSpeed's copy is filled from them before each step.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        learning_rate: float,
        max_gradient_norm: float,
        owner: str,
        ranks: Ranks,
        zero_stage: int,
    ) -> None:
        self._parameters = dict(parameters)
        self._skips = Skips(owner)
        self._ranks = ranks
        self._stage = zero_stage
        self._sizes = [parameter.numel() for parameter in self._parameters.values()]
        device = next(iter(self._parameters.values())).device
        # DeepSpeed 0.19.8 cannot set values under stage 3 unless all shards are of one size.
        padded = -(-sum(self._sizes) // ranks.count) * ranks.count
        self._padding = torch.zeros(padded - sum(self._sizes), device=device)
        self._master = _Master(padded, device)
        # Moments must exist before values can be loaded into them. A first step creates them; with a learning
        # rate of 0 it changes nothing.
        self._adamw = torch.optim.AdamW(self._master.parameters(), lr=0.0, weight_decay=WEIGHT_DECAY)
        self._engine, *_ = deepspeed.initialize(
            model=self._master, optimizer=self._adamw, config=_engine_settings(zero_stage, max_gradient_norm)
        )
        self._apply(torch.zeros(padded, device=device))
        self._set_step(0)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate

    def step(self, loss: float) -> Step:
        """Applies the sum of all ranks' gradients, scaled down to the largest norm allowed, and resets them.

        Args:
            loss: Loss of all ranks together.

        Raises:
            DivergedError: three steps in a row were not finite.
        """
        gradient = self._flat([_gradient(parameter) for parameter in self._parameters.values()])
        self.forget_gradients()
        # Every rank learns of a broken gradient on any of them, so that all skip the step together.
        broken = self._ranks.sum((~torch.linalg.vector_norm(gradient).isfinite()).float())
        if broken or not math.isfinite(loss):
            return self._skips.count(loss, math.nan if broken else 0.0)
        self._set_weights(self._flat([parameter.detach() for parameter in self._parameters.values()]))
        norm = self._apply(gradient)
        self._take_over(self._weights())
        return self._skips.count(loss, norm)

    def forget_gradients(self) -> None:
        for parameter in self._parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """The same tensors as `AdapterOptimizer.state`, whatever the number of ranks and the ZeRO stage."""
        step = next(iter(self._adamw.state.values()))[STEP]
        if not step:
            return {SKIPPED: torch.tensor(self._skips.in_a_row)}
        state = {f"{name}/{STEP}": step.detach().cpu().clone() for name in self._parameters}
        for moment in (EXP_AVG, EXP_AVG_SQ):
            for name, values in self._split(self._moment(moment)).items():
                state[f"{name}/{moment}"] = values.clone()
        return state | {SKIPPED: torch.tensor(self._skips.in_a_row)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continues from the state of an optimizer of this class or of `AdapterOptimizer`."""
        self._skips.in_a_row = int(state[SKIPPED])
        steps = {int(tensor) for name, tensor in state.items() if name.endswith(f"/{STEP}")}
        self._set_step(max(steps, default=0))
        for moment in (EXP_AVG, EXP_AVG_SQ):
            zeros = (torch.zeros_like(parameter) for parameter in self._parameters.values())
            values = [state.get(f"{n}/{moment}", z) for n, z in zip(self._parameters, zeros, strict=True)]
            self._set_moment(moment, self._flat([value.to(self._padding.device) for value in values]))

    def _apply(self, gradient: Tensor) -> float:
        """Takes a step; returns the norm of the sum of all ranks' gradients, before clipping."""
        # DeepSpeed takes the mean over the ranks; the factor makes it a sum.
        self._engine.backward(self._engine(gradient * self._ranks.count))
        if self._stage == 0:
            norm = torch.linalg.vector_norm(self._master.weights.grad)
            self._engine.step()
        else:
            self._engine.step()
            norm = self._engine.get_global_grad_norm()
        return float(norm)

    def _weights(self) -> Tensor:
        weights = self._master.weights
        return weights.detach() if self._stage == 0 else safe_get_full_fp32_param(weights)

    def _set_weights(self, values: Tensor) -> None:
        if self._stage == 0:
            self._master.weights.data.copy_(values)
        else:
            safe_set_full_fp32_param(self._master.weights, values)

    def _moment(self, moment: str) -> Tensor:
        weights = self._master.weights
        if self._stage == 0:
            return self._adamw.state[weights][moment]
        return safe_get_full_optimizer_state(weights, moment)

    def _set_moment(self, moment: str, values: Tensor) -> None:
        weights = self._master.weights
        if self._stage == 0:
            self._adamw.state[weights][moment].copy_(values)
        else:
            safe_set_full_optimizer_state(weights, values, moment)

    def _set_step(self, step: int) -> None:
        for state in self._adamw.state.values():
            state[STEP].fill_(step)

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        return torch.cat([*(tensor.reshape(-1) for tensor in tensors), self._padding])

    def _split(self, flat: Tensor) -> dict[str, Tensor]:
        parts = flat[: sum(self._sizes)].split(self._sizes)
        return {n: part.view_as(p) for (n, p), part in zip(self._parameters.items(), parts, strict=True)}

    def _take_over(self, flat: Tensor) -> None:
        for name, values in self._split(flat).items():
            self._parameters[name].data.copy_(values)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _engine_settings(zero_stage: int, max_gradient_norm: float) -> dict[str, object]:
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_clipping": max_gradient_norm,
        "zero_allow_untested_optimizer": True,
        # Without this, stage 3 would not shard a vector of less than 100,000 numbers.
        "zero_optimization": {"stage": zero_stage, "stage3_param_persistence_threshold": 0},
        "steps_per_print": None,
    }
