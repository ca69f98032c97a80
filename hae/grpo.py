"""Group-relative advantages (GRPO), without value functions, for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hae.arrays import Floats
from hae.batch import TurnBatch
from hae.bootstrap import required
from hae.result import Advantages
from hae.segments import Segments
from hae.settings import EstimatorSettings
from hae.shaping import shaped_rewards

EPSILON = 1e-6
"""Summand of the divisor, so that equal scores do not divide by 0."""


def grpo_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """GRPO (arXiv 2402.03300); the score of an episode is its whole return, not discounted.

        S_e = sum of the shaped rewards of episode e
        A_e = (S_e - mean of its group) / (sample standard deviation of its group + 1e-6)

    If `group_scale` is `none`, the difference is not divided. Action, subgoal and decision tokens of every
    turn of episode e all get A_e. An episode that is alone in its group gets 0. There are no value functions,
    so there are no targets. gamma, the lambdas, `bootstrap` and `normalize` are not used.

    Raises:
        BatchError: the batch has no `group`.
    """
    group = required(batch, "group", "grpo")
    start = Segments.of(batch).start
    score = np.add.reduceat(shaped_rewards(batch, settings), batch.episode_offsets[:-1])
    relative = relative_to_group(score, group, settings.group_scale == "std")
    advantage = np.repeat(relative, np.diff(batch.episode_offsets))
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


def relative_to_group(score: Floats, group: npt.NDArray[Any], scale: bool) -> Floats:
    """Scores minus the mean of their group, divided by its sample standard deviation + 1e-6 if `scale`.

    Args:
        score: [N] scores.
        group: [N] ids that are equal for the scores to compare.
        scale: Whether to divide.

    Returns:
        [N] relative scores; 0 for a score that is alone in its group.
    """
    _, member = np.unique(group, return_inverse=True)
    size = np.bincount(member)
    centred: Floats = score - (np.bincount(member, weights=score) / size)[member]
    if not scale:
        return centred
    variance = np.bincount(member, weights=centred**2) / np.maximum(size - 1, 1)
    deviation: Floats = np.sqrt(variance)[member]
    return centred / (deviation + EPSILON)
