"""The value functions: linear heads on the base model with the critic's adapter."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from configuration.learner import CriticSettings
from learner.update.credit import Floats, ValueTargets
from learner.update.optimizer import Optimizer, Step
from learner.update.packing import Pack, TokenSequence, computed_tokens, dealt, pack
from learner.update.policy import CRITIC, AdaptedModel
from learner.update.policy_update import Advance, step_metrics
from learner.update.ranks import ALONE, Ranks
from run_folder import metric_names as names


class ValueHeads(nn.Module):
    """A linear function of the last hidden state for each head, in float32; it starts as 0 everywhere."""

    def __init__(self, names: tuple[str, ...], hidden_size: int) -> None:
        super().__init__()
        self.names = names
        self.weight = nn.Parameter(torch.zeros(len(names), hidden_size))
        self.bias = nn.Parameter(torch.zeros(len(names)))

    @torch.no_grad()
    def start_at(self, value: float) -> None:
        """Makes `value` the prediction for every prompt; to be called while the weights are still 0."""
        self.bias.fill_(value)

    def forward(self, hidden: Tensor) -> Tensor:
        """Values [S, heads] of hidden states [S, hidden size]."""
        # In float32: bfloat16 has less than three digits, too few for differences between values.
        return nn.functional.linear(hidden.float(), self.weight, self.bias)


class Critic:
    """Predicts values at the last token of prompts, and trains the predictions towards targets."""

    def __init__(
        self,
        model: AdaptedModel,
        heads: ValueHeads,
        optimizer: Optimizer,
        settings: CriticSettings,
        clip: float,
        pack_tokens: int,
        ranks: Ranks = ALONE,
    ) -> None:
        """`clip` limits how far a value can move in one update, in units of reward."""
        self._model = model
        self._heads = heads
        self._optimizer = optimizer
        self._settings = settings
        self._clip = clip
        self._pack_tokens = pack_tokens
        self._ranks = ranks

    @torch.no_grad()
    def values(self, prompts: Sequence[tuple[int, ...]], advance: Advance) -> Floats:
        """[P, heads] values, one row per prompt, the same on every rank."""
        values = np.zeros((len(prompts), len(self._heads.names)))
        packs = self._own(self._packs(prompts))
        for done, one in enumerate(packs, start=1):
            values[list(one.members)] = self._read(one).double().cpu().numpy()
            advance(done / len(packs))
        # Each rank fills the rows of its own packs and leaves 0 elsewhere: the sum puts them together.
        whole: Floats = self._ranks.sum(torch.from_numpy(values).to(self._model.device)).cpu().numpy()
        return whole

    def update(
        self,
        prompts: Sequence[tuple[int, ...]],
        old: Floats,
        targets: ValueTargets,
        generator: np.random.Generator,
        advance: Advance,
    ) -> dict[str, float]:
        """Trains on a batch of P prompts, with an optimizer step per minibatch.

        The loss of a head is the mean over the minibatch's targets of
        max((V - target)^2, (V_clip - target)^2) / 2, where V_clip is V cut to within `clip` of the old value
        (verl's clipped value loss). The losses of the heads are added.

        Args:
            prompts: P prompts.
            old: [P, heads] values of the prompts before the update.
            targets: [P, heads] targets of the prompts.
            generator: Random generator for the minibatches.
            advance: Callback for the progress.

        Returns:
            Metrics, by names without a prefix.
        """
        began = time.perf_counter()
        packs = self._packs(prompts)
        settings = self._settings
        minibatches = list(dealt(len(packs), settings.minibatches, settings.epochs, generator))
        steps, losses, clipped = [], [], []
        for number, places in enumerate(minibatches):

            def within(share: float, number: int = number) -> None:
                advance((number + share) / len(minibatches))

            step, loss, beyond = self._step([packs[place] for place in places], old, targets, within)
            steps.append(step)
            if not step.skipped:
                losses.append(loss)
                clipped.append(beyond)
        taken = {}
        if losses:
            taken = {names.LOSS: float(np.mean(losses)), names.CLIP_FRACTION: float(np.mean(clipped))}
        return {
            **taken,
            **step_metrics(steps),
            **self._head_metrics(old, targets),
            names.SEQUENCE_TOKENS: float(sum(map(len, prompts))),
            names.COMPUTED_TOKENS: float(computed_tokens(packs)),
            names.SECONDS: time.perf_counter() - began,
        }

    def _step(
        self, minibatch: Sequence[Pack], old: Floats, targets: ValueTargets, advance: Advance
    ) -> tuple[Step, float, float]:
        """The optimizer step, its loss, and the share of the loss's terms that were clipped."""
        members = [member for one in minibatch for member in one.members]
        counts = targets.learns[members].sum(axis=0)
        sums, own = torch.zeros(2, device=self._model.device), self._own(minibatch)
        for done, one in enumerate(own, start=1):
            sums += self._backward(one, old, targets, counts)
            advance(done / len(own))
        loss, beyond = self._ranks.sum(sums).tolist()
        return self._optimizer.step(loss), loss, beyond / max(int(counts.sum()), 1)

    def _packs(self, prompts: Sequence[tuple[int, ...]]) -> list[Pack]:
        return pack([TokenSequence(prompt) for prompt in prompts], self._pack_tokens, self._model.device)

    def _own(self, packs: Sequence[Pack]) -> list[Pack]:
        return [one for place, one in enumerate(packs) if self._ranks.owns(place)]

    def _read(self, one: Pack) -> Tensor:
        """[S, heads] values in the order of the pack's members."""
        return self._heads(self._model.hidden_states(one, CRITIC)[one.prompt_ends])

    def _backward(
        self, one: Pack, old: Floats, targets: ValueTargets, counts: npt.NDArray[np.int64]
    ) -> Tensor:
        """[2] the pack's part of the loss, and its number of clipped terms.

        `counts` [heads] are the numbers of targets in the whole minibatch, so that the parts of all its
        packs, of whatever size, add up to the mean.
        """
        members = list(one.members)
        learns = self._tensor(targets.learns[members])
        # At least 1, because a head may have nothing to learn from: V_high in a minibatch without segment
        # starts.
        share = learns / self._tensor(counts.clip(min=1))
        target, before = self._tensor(targets.values[members]), self._tensor(old[members])
        values = self._read(one)
        near = before + (values - before).clamp(-self._clip, self._clip)
        plain, clipped = (values - target).square(), (near - target).square()
        loss = (torch.maximum(plain, clipped) * share).sum() / 2
        loss.backward()
        return torch.stack([loss.detach(), ((clipped > plain).float() * learns).sum()])

    def _head_metrics(self, old: Floats, targets: ValueTargets) -> dict[str, float]:
        metrics = {}
        for place, head in enumerate(self._heads.names):
            learns = targets.learns[:, place]
            if learns.any():
                value, target = old[learns, place], targets.values[learns, place]
                metrics[names.value_mean(head)] = float(value.mean())
                metrics[names.target_mean(head)] = float(target.mean())
                metrics[names.explained_variance(head)] = _explained_variance(value, target)
        return metrics

    def _tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.asarray(array)).to(self._model.device, torch.float32)


def _explained_variance(value: Floats, target: Floats) -> float:
    """1 - Var(target - value) / Var(target); 0 if the targets do not vary."""
    variance = float(target.var())
    return 1 - float((target - value).var()) / variance if variance > 1e-12 else 0.0
