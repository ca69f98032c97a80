"""An update of one adapter with PPO."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from configuration.learner import PpoSettings
from core.errors import PreconditionError
from learner.update.optimizer import Optimizer, Step
from learner.update.packing import Pack, computed_tokens, dealt, pack
from learner.update.policy import AdaptedModel
from learner.update.ppo import AnswerTokens, TokenSums, token_losses
from learner.update.ranks import ALONE, Ranks
from learner.update.samples import AnswerSample
from run_folder import metric_names as names

Advance = Callable[[float], None]
"""Callback that takes the share that is done, in [0, 1]."""
Places = npt.NDArray[np.int64]
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class PolicyBatch:
    """A pack with the data of its R answer tokens that the loss needs."""

    pack: Pack
    tokens: AnswerTokens
    reference: Tensor | None
    """[R] log-probabilities by the reference of the KL term; None without that term."""
    old: Tensor | None
    """[R] log-probabilities by the learner before the update; None if the update has a single step, which
    computes them itself."""


class PolicyUpdate:
    """PPO on one adapter. The loss is the mean over all learning tokens of a minibatch, as in verl."""

    def __init__(
        self,
        model: AdaptedModel,
        adapter: str,
        optimizer: Optimizer,
        settings: PpoSettings,
        pack_tokens: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.reference: str | None = None
        """Name of the adapter that is the reference of the KL term; None for the base model."""
        self._model = model
        self._adapter = adapter
        self._optimizer = optimizer
        self._settings = settings
        self._pack_tokens = pack_tokens
        self._ranks = ranks

    def run(
        self, samples: Sequence[AnswerSample], generator: np.random.Generator, advance: Advance
    ) -> dict[str, float]:
        """Updates the adapter; returns metrics by names without a prefix, the same on every rank.

        A step whose loss or gradient is not finite is skipped and counted.

        Raises:
            DivergedError: three steps in a row were skipped; those of earlier updates count too.
            PreconditionError: sampler and learner differ in more tokens than `importance_stop` allows. Steps
                taken before that are not undone.
        """
        if not samples:
            return {names.SKIPPED_STEPS: 0.0, names.TOKENS: 0.0}
        began = time.perf_counter()
        packs = pack([sample.sequence for sample in samples], self._pack_tokens, self._model.device)
        # Of all packs, not only of this rank's: a step's loss is the mean over its tokens on all ranks.
        learning = np.array([sum(samples[place].learns.sum() for place in p.members) for p in packs])
        own = [place for place in range(len(packs)) if self._ranks.owns(place)]
        batches = {
            place: self._prepared(packs[place], samples, advance, share)
            for place, share in _with_share(own, 0.0, 0.3)
        }
        spare = self._spare(packs, samples, batches)
        settings = self._settings
        minibatches = list(dealt(len(packs), settings.minibatches, settings.epochs, generator))
        sums, steps = [], []
        for places, share in _with_share(minibatches, 0.3, 1.0):
            minibatch = [batches[place] for place in places if place in batches]
            if spare is not None:
                minibatch += [spare] * self._ranks.idle(map(int, places))
            minibatch_sums, step = self._step(minibatch, int(learning[places].sum()))
            sums.append(minibatch_sums)
            steps.append(step)
            advance(share)
        return (
            _loss_metrics(sums, steps)
            | step_metrics(steps)
            | {
                names.TOKENS: float(sum(s.tokens for s in sums)) / self._settings.epochs,
                names.SEQUENCE_TOKENS: float(sum(len(s.sequence.computed_ids) for s in samples)),
                names.COMPUTED_TOKENS: float(computed_tokens(packs)),
                names.SECONDS: time.perf_counter() - began,
            }
        )

    @torch.no_grad()
    def _prepared(
        self, pack: Pack, samples: Sequence[AnswerSample], advance: Advance, share: float
    ) -> PolicyBatch:
        tokens = _answer_tokens([samples[place] for place in pack.members], self._model.device)
        reference = old = None
        if self._settings.kl_coefficient:
            reference = self._model.answer_scores(pack, self.reference, tokens.temperatures).logprobs
        if self._settings.epochs * self._settings.minibatches > 1:
            old = self._model.answer_scores(pack, self._adapter, tokens.temperatures).logprobs
        advance(share)
        return PolicyBatch(pack, tokens, reference, old)

    def _spare(
        self, packs: Sequence[Pack], samples: Sequence[AnswerSample], batches: Mapping[int, PolicyBatch]
    ) -> PolicyBatch | None:
        """A batch without learning tokens, to be computed while another rank has one more; None if ranks need
        not compute in step.

        Called when all batches have been prepared, so that all ranks have then prepared equally many.
        """
        if not self._model.in_step:
            return None
        made = list(batches.values())
        for _ in range(self._ranks.idle(range(len(packs)))):
            made.append(self._prepared(packs[0], samples, lambda share: None, 0.0))
        nothing = replace(made[0].tokens, learns=torch.zeros_like(made[0].tokens.learns))
        return replace(made[0], tokens=nothing)

    def _step(self, minibatch: Sequence[PolicyBatch], total: int) -> tuple[TokenSums, Step]:
        """Takes a step on this rank's part of a minibatch with `total` learning tokens on all ranks."""
        sums = (self._backward(batch, total) for batch in minibatch)
        # A rank without packs in this minibatch must get here too: the sum waits for every rank.
        whole = sum(sums, TokenSums.of_nothing(self._model.device)).over(self._ranks)
        loss = whole.mean("loss")
        # If the loss is not finite, the importance weights are not either, and the message would mislead.
        if math.isfinite(loss) and whole.mean("masked") > self._settings.importance_stop:
            self._optimizer.forget_gradients()
            raise PreconditionError(
                f"sampler and learner disagree: the importance weight of {whole.mean('masked'):.0%} of the "
                f"{self._adapter}'s tokens is outside {self._settings.importance_band}; at most "
                f"{self._settings.importance_stop:.0%} (ppo.importance_stop) are accepted. Do both run the "
                f"same base model?"
            )
        return whole, self._optimizer.step(loss)

    def _backward(self, batch: PolicyBatch, total: int) -> TokenSums:
        scores = self._model.answer_scores(
            batch.pack,
            self._adapter,
            batch.tokens.temperatures,
            entropy_gradient=self._settings.entropy_coefficient > 0,
        )
        # With a single step, the learner before the update is the learner now.
        old = scores.logprobs.detach() if batch.old is None else batch.old
        sums = token_losses(scores, old, batch.reference, batch.tokens, self._settings)
        # Divided by the tokens of the whole minibatch: the gradients of its packs then add up to the mean.
        (sums.loss / total).backward()
        return sums.detached()


def _loss_metrics(sums: Sequence[TokenSums], steps: Sequence[Step]) -> dict[str, float]:
    """Means over the tokens of the steps that were taken; empty if none was."""
    taken = [one for one, step in zip(sums, steps, strict=True) if not step.skipped]
    if not taken:
        return {}
    whole = sum(taken[1:], taken[0])
    return {
        names.LOSS: whole.mean("loss"),
        names.POLICY_LOSS: whole.mean("policy_loss"),
        names.CLIP_FRACTION: whole.mean("clipped"),
        names.IMPORTANCE_MASKED_SHARE: whole.mean("masked"),
        names.IMPORTANCE_TRUNCATED_SHARE: whole.mean("truncated"),
        names.KL_TO_REFERENCE: whole.mean("kl_to_reference"),
        names.KL_SAMPLER: whole.mean("kl_sampler"),
        names.KL_UPDATE: whole.mean("kl_update"),
        names.SAMPLER_DIFFERENCE: whole.mean("sampler_difference"),
        names.ENTROPY: whole.mean("entropy"),
    }


def step_metrics(steps: Sequence[Step]) -> dict[str, float]:
    """Mean gradient norm of the steps that were taken, and the number of those that were skipped."""
    norms = [step.gradient_norm for step in steps if not step.skipped]
    return {
        names.GRADIENT_NORM: sum(norms) / max(len(norms), 1),
        names.SKIPPED_STEPS: float(sum(step.skipped for step in steps)),
    }


def _answer_tokens(samples: Sequence[AnswerSample], device: torch.device) -> AnswerTokens:
    def joined(arrays: Sequence[npt.NDArray[np.float64]]) -> Tensor:
        return torch.from_numpy(np.concatenate(arrays)).to(device, torch.float32)

    return AnswerTokens(
        sampled=joined([sample.sampled_logprobs for sample in samples]),
        advantages=joined([sample.advantages for sample in samples]),
        learns=torch.from_numpy(np.concatenate([sample.learns for sample in samples])).to(device),
        temperatures=joined([np.full(len(s.response_ids), s.temperature) for s in samples]),
    )


def _with_share(items: Sequence[_T], begin: float, end: float) -> Iterator[tuple[_T, float]]:
    for done, item in enumerate(items, start=1):
        yield item, begin + (end - begin) * done / len(items)
