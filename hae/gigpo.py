"""Group-in-group advantages (GiGPO), which compare episodes, and turns in the same state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hae.arrays import Floats, Ints
from hae.batch import TurnBatch
from hae.bootstrap import required
from hae.grpo import relative_to_group
from hae.result import Advantages
from hae.scan import reverse_scan
from hae.segments import Segments
from hae.settings import EstimatorSettings
from hae.shaping import shaped_rewards


def gigpo_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """GiGPO (arXiv 2505.10978): GRPO's advantage of the episode, plus an advantage of the turn in its state.

        S_e       = sum of the shaped rewards of episode e
        R_t       = r_t + step_gamma * R_{t+1} inside the episode, r the shaped reward
        episode_e = (S_e - mean over e's group) / F
        step_t    = (R_t - mean over the turns of e's group with t's state) / F
        A_t       = episode_e + step_weight * step_t

    Turns with the same `state` are compared if their episodes are in the same group; they may even be in the
    same episode. F is the sample standard deviation of the compared numbers + 1e-6, or 1 if `group_scale` is
    `none`. An episode or a turn that has nothing to be compared with gets 0.

    Action, subgoal and decision tokens of turn t all get A_t. There are no value functions, so there are no
    targets. gamma, the lambdas, `bootstrap` and `normalize` are not used.

    Raises:
        BatchError: the batch has no `group` or no `state`.
    """
    group, state = required(batch, "group", "gigpo"), required(batch, "state", "gigpo")
    start = Segments.of(batch).start
    lengths = np.diff(batch.episode_offsets)
    reward = shaped_rewards(batch, settings)
    scale = settings.group_scale == "std"
    score = np.add.reduceat(reward, batch.episode_offsets[:-1])
    episode = np.repeat(relative_to_group(score, group, scale), lengths)
    place = _pairs(np.repeat(_numbers(group), lengths), _numbers(state))
    step = relative_to_group(_returns(batch, reward, settings.step_gamma), place, scale)
    advantage = episode + settings.step_weight * step
    return Advantages(
        segment_start=start,
        low=advantage,
        high=np.where(start, advantage, 0.0),
        switch=advantage,
        target_low=None,
        target_high=None,
        target_switch=None,
        target_high_mask=np.zeros(batch.turns, dtype=np.bool_),
    )


def _returns(batch: TurnBatch, reward: Floats, gamma: float) -> Floats:
    decay = np.full(batch.turns, gamma)
    decay[batch.episode_offsets[1:] - 1] = 0.0
    return reverse_scan(reward, decay)


def _numbers(labels: npt.NDArray[Any]) -> Ints:
    """[N] integers from 0 that are equal exactly for equal labels."""
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)


def _pairs(group: Ints, state: Ints) -> Ints:
    """[T] integers that are equal exactly where group and state are equal."""
    return group * (int(state.max()) + 1) + state
