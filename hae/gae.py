"""Flat Generalized Advantage Estimation, turn by turn, for comparison."""

from __future__ import annotations

import numpy as np

from hae.arrays import Floats
from hae.batch import TurnBatch
from hae.bootstrap import bootstrap_values, required
from hae.result import Advantages, normalized_levels
from hae.scan import gae_scan
from hae.segments import Segments
from hae.settings import EstimatorSettings
from hae.shaping import shaped_rewards


def gae_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """GAE (arXiv 1506.02438) whose steps are turns; it ignores segments.

    For each level with its own value function V:

        delta_t = r_t + gamma * V(t+1) - V(t)
        A_t     = delta_t + gamma * lambda_turn * A_{t+1}

    After the last turn, V(t+1) is 0 if the episode is terminated, otherwise the bootstrap value;
    `bootstrap: last` reads each value function at the last turn. Action tokens get A of V_low, subgoal tokens
    A of V_high at the segment starts, and decision tokens A of V_switch (None without `value_switch`). V_high
    is read at every turn here, so it is also trained at every turn. The targets are A_t + V(t); if
    `lambda_target` is set, it replaces lambda_turn in them.

    Raises:
        BatchError: the batch lacks `value_low`, `value_high`, or a final value that is needed.
    """
    reward = shaped_rewards(batch, settings)
    start = Segments.of(batch).start
    low, target_low = _level(batch, settings, reward, required(batch, "value_low", "gae"), "final_value_low")
    high, target_high = _level(
        batch, settings, reward, required(batch, "value_high", "gae"), "final_value_high"
    )
    switch = target_switch = None
    if batch.value_switch is not None:
        switch, target_switch = _level(batch, settings, reward, batch.value_switch, "final_value_switch")

    low, high, switch = normalized_levels(low, np.where(start, high, 0.0), switch, start, settings)
    return Advantages(
        segment_start=start,
        low=low,
        high=high,
        switch=switch,
        target_low=target_low,
        target_high=target_high,
        target_switch=target_switch,
        target_high_mask=np.ones(batch.turns, dtype=np.bool_),
    )


def _level(
    batch: TurnBatch, settings: EstimatorSettings, reward: Floats, value: Floats, final: str
) -> tuple[Floats, Floats]:
    """[T] advantages and [T] targets of one level."""
    last = batch.episode_offsets[1:] - 1
    after = bootstrap_values(batch, settings, value, last, final)

    def along_episodes(lambda_turn: float) -> Floats:
        return gae_scan(reward, value, last, after, settings.gamma, lambda_turn)

    own = along_episodes(settings.lambda_turn)
    target = own if settings.lambda_target is None else along_episodes(settings.lambda_target)
    return own, target + value
