"""Hierarchical Advantage Estimation."""

from __future__ import annotations

import numpy as np

from hae.arrays import Floats
from hae.batch import TurnBatch
from hae.bootstrap import bootstrap_values, required
from hae.result import Advantages, normalized_levels
from hae.scan import gae_scan, reverse_scan
from hae.segments import Segments
from hae.settings import EstimatorSettings
from hae.shaping import shaped_rewards


def hae_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """Advantages of actions, subgoals and switch decisions (HiPER, arXiv 2602.16165, section on HAE).

    With r the shaped reward, segment k on turns b_k ... e_k, d_k = e_k - b_k + 1, and next_V the value
    after an episode's last turn (0 after termination, else the bootstrap):

        low      delta_t  = r_t + gamma * next_t - V_low(t)
                 low_t    = delta_t + gamma * lambda_turn * low_{t+1}       (0 beyond e_k)
                 next_t   = V_low(t+1) inside the segment; at e_k V_high(b_{k+1}), or next_V_low
        return   G_t      = r_t + gamma * G_{t+1} inside the segment
                 G_{e_k}  = r_{e_k} + gamma * (V_high(b_{k+1}), or next_V_high)
        high     delta_k  = G_{b_k} - V_high(b_k)
                 high_k   = delta_k + gamma^{d_k} * lambda_segment * high_{k+1}
        switch   switch_t = G_t - V_switch(t)

    G_{b_k} is the sum of the segment's discounted rewards plus gamma^{d_k} * V_high(b_{k+1}), so `high` is
    GAE over segments as over a semi-Markov process. The targets are low_t + V_low(t), high_k + V_high(b_k)
    and G_t.

    Raises:
        BatchError: where the batch lacks `value_low`, `value_high`, or a final value that is needed.
    """
    value_low = required(batch, "value_low", "hae")
    value_high = required(batch, "value_high", "hae")
    segments = Segments.of(batch)
    reward = shaped_rewards(batch, settings)
    after_low, after_high = _values_after_segments(batch, settings, segments, value_low, value_high)

    low = gae_scan(reward, value_low, segments.last, after_low, settings.gamma, settings.lambda_turn)
    returns = _segment_returns(reward, after_high, segments, settings)
    high = np.zeros(batch.turns)
    high[segments.first] = _high(returns, value_high, segments, settings)
    switch = None if batch.value_switch is None else returns - batch.value_switch
    target_high = np.where(segments.start, high + value_high, 0.0)
    target_low = low + value_low

    low, high, switch = normalized_levels(low, high, switch, segments.start, settings)
    return Advantages(
        segment_start=segments.start,
        low=low,
        high=high,
        switch=switch,
        target_low=target_low,
        target_high=target_high,
        target_switch=None if switch is None else returns,
        target_high_mask=segments.start,
    )


def _values_after_segments(
    batch: TurnBatch, settings: EstimatorSettings, segments: Segments, value_low: Floats, value_high: Floats
) -> tuple[Floats, Floats]:
    """[K] each, for the low level and for the other two; they differ at the ends of episodes only."""
    after_high = np.empty(len(segments.first))
    after_high[:-1] = value_high[segments.first[1:]]
    after_low = after_high.copy()
    after_low[segments.final] = bootstrap_values(
        batch, settings, value_low, segments.last[segments.final], "final_value_low"
    )
    after_high[segments.final] = bootstrap_values(
        batch, settings, value_high, segments.first[segments.final], "final_value_high"
    )
    return after_low, after_high


def _segment_returns(
    reward: Floats, after: Floats, segments: Segments, settings: EstimatorSettings
) -> Floats:
    decay = np.full(len(reward), settings.gamma)
    decay[segments.last] = 0.0
    x = reward.copy()
    x[segments.last] += settings.gamma * after
    return reverse_scan(x, decay)


def _high(returns: Floats, value: Floats, segments: Segments, settings: EstimatorSettings) -> Floats:
    """[K]."""
    length = segments.last - segments.first + 1
    decay: Floats = settings.lambda_segment * np.power(settings.gamma, length, dtype=np.float64)
    decay[segments.final] = 0.0
    return reverse_scan(returns[segments.first] - value[segments.first], decay)
