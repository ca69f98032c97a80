"""The critic: value heads on frozen features, fitted to this batch and the last few before it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from configuration.learner import CriticSettings
from core.errors import DivergedError
from hae import EstimatorSettings, TurnBatch, estimate
from learner.update.credit import HEADS, LOW, Floats, States, value_targets, with_values
from learner.update.features import COUNTS, FeatureReader, Features, turn_counts
from learner.update.folds import OLDER, Folds
from learner.update.head_fits import HeadFits, Lessons
from learner.update.policy_update import Advance
from learner.update.ranks import ALONE, Ranks
from learner.update.value_heads import ValueHeads
from run_folder import metric_names as names

log = logging.getLogger(__name__)

LEAST_EXPLAINED = 0.1
"""Share of the variance of the targets below which there is a warning."""


@dataclass(frozen=True, eq=False)
class Experience:
    """A batch as the critic keeps it."""

    batch: TurnBatch
    """The turns, without values."""
    states: States
    """The prompts' places in the batch, without the prompts."""
    inputs: Features
    """[P, F] inputs of the heads."""


@dataclass(frozen=True, eq=False)
class Targets:
    """What the heads are to predict at each of T turns, in units of reward."""

    values: Floats
    """[T, heads] targets."""
    learns: npt.NDArray[np.bool_]
    """[T, heads] whether the head learns from the turn."""


@dataclass(frozen=True, eq=False)
class Valued:
    """What the critic says about a batch."""

    values: Floats
    """[P, heads] values of the batch's prompts, in units of reward. Those of an episode are from heads that
    have not seen its returns."""
    metrics: dict[str, float]
    """Metrics, by names without a prefix."""


class Critic:
    """Predicts values at the ends of prompts, and learns to predict returns."""

    def __init__(
        self,
        reader: FeatureReader,
        settings: CriticSettings,
        estimator: EstimatorSettings,
        ranks: Ranks = ALONE,
    ) -> None:
        self.names = HEADS[settings.heads]
        self.heads = ValueHeads.untaught(len(self.names), reader.size + COUNTS)
        self._at_executor = torch.tensor([name == LOW for name in self.names])
        self._reader = reader
        self._settings = settings
        self._estimator = estimator
        self._ranks = ranks
        self._memory: dict[int, Experience] = {}

    def read(
        self, batch: TurnBatch, states: States, step_limits: npt.NDArray[np.int64], advance: Advance
    ) -> tuple[Experience, dict[str, float]]:
        """Computes what the critic sees of a batch without values; also returns metrics without a prefix.

        `step_limits` [E] has the largest number of turns of each episode of the batch.
        """
        hidden, computed = self._reader.read(states, advance)
        counts = turn_counts(batch, states, step_limits)
        tokens = {
            names.SEQUENCE_TOKENS: float(sum(map(len, states.prompts))),
            names.COMPUTED_TOKENS: float(computed),
        }
        inputs = np.concatenate([hidden, counts], axis=1)
        return Experience(batch, replace(states, prompts=()), inputs), tokens

    def remember(self, version: int, experience: Experience) -> None:
        """Keeps the batch of the update that follows `version`, for as many updates as `memory` says."""
        self._memory[version] = experience
        self._memory = {
            one: kept for one, kept in self._memory.items() if one > version - self._settings.memory
        }

    def forget(self) -> None:
        """Forgets all batches."""
        self._memory = {}

    def update(self, experience: Experience, version: int, generator: np.random.Generator) -> Valued:
        """The values of a batch; then learns from it. The batch is of the update that follows `version`.

        The batch's episodes are dealt into folds. The values of a fold are from heads that were fitted to the
        other folds, and to the batches in memory: no value depends on the return of its own episode, which
        would bias the advantages towards 0. Last, heads are fitted to all, as those that the next update
        starts from.

        Raises:
            DivergedError: values are not finite.
        """
        began = time.perf_counter()
        if not self.heads.ready:
            turns = slice(experience.states.turns)
            self.heads = self.heads.standardizing(*(one[turns] for one in self._both(experience)))
        before = self._values(self.heads, experience)
        targets = self._targets(experience, before)
        episodes = experience.batch.episodes
        folds = Folds.of(experience.states.episodes, episodes, self._settings.folds, generator)
        own = self._lessons(experience, targets, folds.of_prompts[experience.states.planner])
        fits = HeadFits([own, *self._remembered(version)], self._at_executor, self._settings.penalties)
        values = before.copy()
        for fold in range(folds.count):
            heads = fits.fitted(self.heads, *folds.without(fold))
            mine = folds.of_prompts == fold
            values[mine] = self._values(heads, experience)[mine]
        self.heads = fits.fitted(self.heads, *folds.all_but_held_out)
        self.remember(version, experience)
        measured = self._measured(before, values, targets, experience.states)
        measured[names.SECONDS] = time.perf_counter() - began
        return Valued(self._of_first_rank(values), measured)

    def _of_first_rank(self, values: Floats) -> Floats:
        """On GPUs, the last digits of the features may differ from rank to rank, and so may the heads."""
        own = torch.from_numpy(values).to(self._reader.device)
        whole: Floats = self._ranks.sum(own if self._ranks.leads else torch.zeros_like(own)).cpu().numpy()
        return whole

    def _remembered(self, version: int) -> Iterator[Lessons]:
        for one, kept in sorted(self._memory.items()):
            if version - self._settings.memory <= one < version:
                targets = self._targets(kept, self._values(self.heads, kept))
                yield self._lessons(kept, targets, np.full(kept.states.turns, OLDER))

    def _both(self, experience: Experience) -> tuple[Tensor, Tensor]:
        """[T + U, F] inputs of each role: those of the T turns, then those at the U ends."""
        inputs = torch.from_numpy(experience.inputs).double()
        s = experience.states
        return (
            torch.cat([inputs[s.planner], inputs[s.final_planner]]),
            torch.cat([inputs[s.executor], inputs[s.final_executor]]),
        )

    def _standardized(self, experience: Experience) -> tuple[Tensor, Tensor]:
        planner, executor = self._both(experience)
        return self.heads.standardized(planner, 0), self.heads.standardized(executor, 1)

    def _values(self, heads: ValueHeads, experience: Experience) -> Floats:
        """[P, heads] values in units of reward; a prompt has those of all heads, though not all are used."""
        found = heads.values(*self._standardized(experience), self._at_executor).numpy()
        turns, ends = np.split(self._estimator.success_reward * found, [experience.states.turns])
        values = np.concatenate([turns, turns, ends, ends])
        if broken := int((~np.isfinite(values)).any(axis=1).sum()):
            raise DivergedError(f"the critic's values of {broken} of {len(values)} prompts are not finite")
        return values

    def _targets(self, experience: Experience, values: Floats) -> Targets:
        """What the heads are to predict; `values` matter only if targets contain them."""
        settings = self._estimator
        if self._settings.targets == "returns":
            settings = settings.model_copy(update={"lambda_target": 1.0})
        states = experience.states
        valued = with_values(experience.batch, states, values, self.names, settings.bootstrap)
        found = value_targets(estimate(valued, settings), states, self.names)
        at_executor = self._at_executor.numpy()
        return Targets(
            np.where(at_executor, found.values[states.executor], found.values[states.planner]),
            np.where(at_executor, found.learns[states.executor], found.learns[states.planner]),
        )

    def _lessons(self, experience: Experience, targets: Targets, groups: npt.NDArray[np.int64]) -> Lessons:
        planner, executor = (one[: experience.states.turns] for one in self._standardized(experience))
        scaled = torch.from_numpy(targets.values / self._estimator.success_reward).to(planner)
        return Lessons(planner, executor, scaled, targets.learns, groups)

    def _measured(self, before: Floats, values: Floats, targets: Targets, states: States) -> dict[str, float]:
        metrics = {}
        for place, head in enumerate(self.names):
            rows = np.flatnonzero(targets.learns[:, place])
            if not len(rows):
                continue
            value, target = values[states.planner][rows, place], targets.values[rows, place]
            metrics[names.value_mean(head)] = float(value.mean())
            metrics[names.target_mean(head)] = float(target.mean())
            metrics[names.explained_variance(head)] = explained_variance(value, target)
            earlier = before[states.planner][rows, place]
            metrics[names.explained_before(head)] = explained_variance(earlier, target)
        learns = targets.learns
        errors = values[states.planner][learns] - targets.values[learns]
        metrics[names.LOSS] = float(np.square(errors).mean()) / 2
        metrics[names.WEAK_HEADS] = float(len(self._weak_heads(metrics)))
        return metrics

    def _weak_heads(self, measured: Mapping[str, float]) -> list[str]:
        """Heads that explain little, although the estimator relies on them; warns of each."""
        relied = [head for head in self._estimator.relies_on if names.explained_variance(head) in measured]
        weak = [head for head in relied if measured[names.explained_variance(head)] < LEAST_EXPLAINED]
        for head in weak:
            log.warning(
                "the critic explains %.0f %% of the variance of the returns with V_%s, which %s relies on",
                100 * measured[names.explained_variance(head)],
                head,
                self._estimator.estimator,
            )
        return weak


def explained_variance(value: Floats, target: Floats) -> float:
    """1 - Var(target - value) / Var(target); 0 if the targets do not vary."""
    variance = float(target.var())
    return 1 - float((target - value).var()) / variance if variance > 1e-12 else 0.0
