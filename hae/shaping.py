"""Reward shaping: penalties that are added to the rewards before advantages are computed."""

from __future__ import annotations

import numpy as np

from hae.arrays import Floats
from hae.batch import TurnBatch
from hae.settings import EstimatorSettings


def shaped_rewards(batch: TurnBatch, settings: EstimatorSettings) -> Floats:
    """r_t + keep_t - c * [action t could not be parsed], with c = `invalid_action_penalty`.

    Returns:
        [T] shaped rewards; the batch's own read-only array if there are no penalties.
    """
    keep = keep_penalties(batch, settings)
    reward = action_rewards(batch, settings)
    return reward if keep is None else reward + keep


def action_rewards(batch: TurnBatch, settings: EstimatorSettings) -> Floats:
    """[T] r_t - c * [action t could not be parsed]: the shaped reward without the keep penalty."""
    if settings.invalid_action_penalty and batch.action_valid is not None:
        return batch.reward - settings.invalid_action_penalty * ~batch.action_valid
    return batch.reward


def keep_penalties(batch: TurnBatch, settings: EstimatorSettings) -> Floats | None:
    """[T] keep penalties keep_t; None if the mode is `none`.

    keep_t is 0 on SWITCH. On KEEP it is p = `keep_penalty.value` (`fixed`), or p / T in an episode of T > 1
    turns (`normalized`), so that all KEEP turns together cost p times their share of the turns. Turn 0 counts
    as KEEP if it was recorded as such.
    """
    penalty = settings.keep_penalty
    if penalty.mode == "fixed":
        return np.where(batch.switch, 0.0, penalty.value)
    if penalty.mode == "normalized":
        lengths = np.diff(batch.episode_offsets)
        per_turn = np.where(lengths > 1, penalty.value / lengths, 0.0)
        return np.where(batch.switch, 0.0, np.repeat(per_turn, lengths))
    return None
