"""Penalties that go into the reward before any advantage is computed."""

from __future__ import annotations

import numpy as np

from hae.arrays import Floats
from hae.batch import TurnBatch
from hae.settings import EstimatorSettings


def shaped_rewards(batch: TurnBatch, settings: EstimatorSettings) -> Floats:
    """r_t + keep_t - c * [action t could not be parsed], with p = `keep_penalty.value`, c = the other one.

    keep_t is 0 on SWITCH. On KEEP it is p (`fixed`), or p * (K/T) / K = p / T for an episode with K KEEP
    turns among its T > 1 turns (`normalized`), so that all of them together cost p times their share.
    Turn 0 counts as KEEP where it was recorded so.

    Returns:
        [T] the batch's own array, read-only, where nothing is to be added.
    """
    penalty = settings.keep_penalty
    reward = batch.reward
    if penalty.mode == "fixed":
        reward = reward + penalty.value * ~batch.switch
    elif penalty.mode == "normalized":
        lengths = np.diff(batch.episode_offsets)
        per_turn = np.where(lengths > 1, penalty.value / lengths, 0.0)
        reward = reward + np.repeat(per_turn, lengths) * ~batch.switch
    if settings.invalid_action_penalty and batch.action_valid is not None:
        reward = reward - settings.invalid_action_penalty * ~batch.action_valid
    return reward
