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
    """GAE (arXiv 1506.02438) with a turn as the step; segments cut nothing and are credited nothing.

    For each level with its own value function V:

        delta_t = r_t + gamma * V(t+1) - V(t)
        A_t     = delta_t + gamma * lambda_turn * A_{t+1}

    with V(t+1) = 0 after termination and the bootstrap after truncation. Action tokens get A of V_low,
    subgoal tokens A of V_high at the segment starts, decision tokens A of V_switch (None without one). As
    V_high is read at every turn here, it is trained at every turn. The targets are A_t + V(t), with
    `lambda_target` in place of lambda_turn where it is set. `bootstrap: last` reads all values at the last
    turn.

    Raises:
        BatchError: where the batch lacks `value_low`, `value_high`, or a final value that is needed.
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
    """[T] advantages and [T] targets."""
    last = batch.episode_offsets[1:] - 1
    after = bootstrap_values(batch, settings, value, last, final)

    def along_episodes(lambda_turn: float) -> Floats:
        return gae_scan(reward, value, last, after, settings.gamma, lambda_turn)

    own = along_episodes(settings.lambda_turn)
    target = own if settings.lambda_target is None else along_episodes(settings.lambda_target)
    return own, target + value
