"""What the critic sees of a prompt: hidden states of a frozen model, computed once, and counts of turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.role import Role
from hae import TurnBatch
from learner.update.credit import States
from learner.update.packing import Pack, TokenSequence, computed_tokens, pack
from learner.update.policy import AdaptedModel
from learner.update.policy_update import Advance
from learner.update.ranks import ALONE, Ranks

Features = npt.NDArray[np.float32]
COUNTS = 4
"""Number of columns of `turn_counts`."""


class FeatureReader:
    """Reads hidden states at the ends of prompts, from the models that the run started with.

    They are frozen, so that a prompt always has the same features: they are computed once, without a backward
    pass, however often the critic learns from them.
    """

    adapters: dict[Role, str | None]
    """Frozen adapter that reads the prompts of each role; None for the base model alone."""

    def __init__(self, model: AdaptedModel, pack_tokens: int, ranks: Ranks = ALONE) -> None:
        self.adapters = dict.fromkeys(Role)
        self._model = model
        self._pack_tokens = pack_tokens
        self._ranks = ranks

    @property
    def size(self) -> int:
        """Number of features, F."""
        return self._model.feature_size

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self._model.device

    def read(self, states: States, advance: Advance) -> tuple[Features, int]:
        """[P, F] features of the prompts, the same on every rank; and the number of tokens computed."""
        prompts = states.prompts
        whole = np.zeros((len(prompts), self._model.feature_size), dtype=np.float32)
        computed = 0
        for number, role in enumerate(Role):
            rows = np.flatnonzero(states.is_executor == (role is Role.EXECUTOR))
            packs = self._packs([prompts[row] for row in rows])
            computed += computed_tokens(packs)
            own = [one for place, one in enumerate(packs) if self._ranks.owns(place)]
            found = []
            for done, one in enumerate(own, start=1):
                found.append(self._of(one, self.adapters[role]))
                advance((number + done / len(own)) / len(Role))
            # Only now, so that a GPU need not be waited for after each pack.
            for one, features in zip(own, found, strict=True):
                whole[rows[list(one.members)]] = features.cpu().numpy()
            if self._model.in_step:
                for _ in range(self._ranks.idle(range(len(packs)))):
                    self._of(packs[0], self.adapters[role])
        # Each rank fills the rows of its own packs and leaves 0 elsewhere: the sum puts them together.
        summed = self._ranks.sum(torch.from_numpy(whole).to(self._model.device))
        return summed.cpu().numpy(), computed

    def _packs(self, prompts: Sequence[tuple[int, ...]]) -> list[Pack]:
        return pack([TokenSequence(prompt) for prompt in prompts], self._pack_tokens, self._model.device)

    @torch.no_grad()
    def _of(self, one: Pack, adapter: str | None) -> Tensor:
        return self._model.features(one, adapter)


def turn_counts(batch: TurnBatch, states: States, step_limits: npt.NDArray[np.int64]) -> Features:
    """[P, 4] what a prompt may not say in so many words, for each of the prompts of `states`.

    The columns are the share of the turns that are over, t / step_limit; that of the subgoal in force,
    age / step_limit, with the age before the planner's decision and after it for the executor; 1 at turn 0;
    and 1 for a subgoal of age 0. At the end of an episode, t is its number of turns.

    Args:
        batch: Batch of E episodes.
        states: Prompts of these episodes.
        step_limits: [E] largest number of turns of each episode.
    """
    first = np.repeat(batch.episode_offsets[:-1], np.diff(batch.episode_offsets))
    turn = np.arange(states.turns) - first
    starts = batch.switch | (turn == 0)
    last_start = np.maximum.accumulate(np.where(starts, np.arange(states.turns), 0))
    age = np.arange(states.turns) - last_start
    before = np.where(turn == 0, 0, np.concatenate(([0], age[:-1] + 1)))
    ends = batch.episode_offsets[1:][list(states.unfinished)] - 1
    turns = np.concatenate([turn, turn, turn[ends] + 1, turn[ends] + 1])
    ages = np.concatenate([before, age, age[ends] + 1, age[ends] + 1])
    most = step_limits[states.episodes]
    columns = [turns / most, ages / most, turns == 0, ages == 0]
    return np.stack(columns, axis=1).astype(np.float32)
