"""Group-relative advantages, without value functions, for comparison."""

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


def grpo_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """GRPO (arXiv 2402.03300) with an episode's whole return as its score.

        S_e = sum of the shaped rewards of episode e
        A_e = (S_e - mean of its group) / (sample standard deviation of its group + 1e-6)

    Action, subgoal and decision tokens of every turn of episode e all get A_e. An episode alone in its
    group has nothing to be compared with and gets 0. There are no value functions and so no targets;
    gamma, the lambdas, `bootstrap` and `normalize` are not used.

    Raises:
        BatchError: where the batch has no `group`.
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
    """Scores less their group's mean, over their group's sample standard deviation + 1e-6 where `scale`.

    Args:
        score: [N].
        group: [N] ids, equal for the scores that are compared.
        scale: whether to divide.

    Returns:
        [N]; 0 for a score alone in its group.
    """
    _, member = np.unique(group, return_inverse=True)
    size = np.bincount(member)
    centred: Floats = score - (np.bincount(member, weights=score) / size)[member]
    if not scale:
        return centred
    variance = np.bincount(member, weights=centred**2) / np.maximum(size - 1, 1)
    deviation: Floats = np.sqrt(variance)[member]
    return centred / (deviation + EPSILON)
