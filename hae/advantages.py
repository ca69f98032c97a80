"""Hierarchical Advantage Estimation (HAE)."""

from __future__ import annotations

from dataclasses import dataclass

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
                 next_t   = V_low(t+1) inside the segment; at e_k after_k, or next_V_low
        return   G_t      = r_t + gamma * G_{t+1} inside the segment
                 G_{e_k}  = r_{e_k} + gamma * (after_k, or next_V_high)
        high     delta_k  = R_k + gamma^{d_k} * (V_high(b_{k+1}), or next_V_high) - V_high(b_k)
                 high_k   = delta_k + gamma^{d_k} * lambda_segment * high_{k+1}
        switch   switch_t = G_t - V_switch(t)
        boundary after_k  = V_high(b_{k+1}) + lambda_boundary * high_{k+1}

    R_k is the sum of the discounted rewards of segment k. So `high` is GAE in a semi-Markov decision process
    whose steps are segments. HiPER has lambda_boundary 0: low and G then see V_high of the next segment in
    place of everything that happened after their own segment.

    The targets are low_t + V_low(t), high_k + V_high(b_k) and G_t. If `lambda_target` is set, it replaces the
    three lambdas in the targets; with 1, each target is the discounted return to the end of the episode.

    Raises:
        BatchError: the batch lacks `value_low`, `value_high`, or a final value that is needed.
    """
    inputs = _inputs(batch, settings)
    segments, value_low, value_high = inputs.segments, inputs.value_low, inputs.value_high
    own = _levels(inputs, settings.lambda_turn, settings.lambda_segment, settings.lambda_boundary)
    lam = settings.lambda_target
    target = own if lam is None else _levels(inputs, lam, lam, lam)

    switch = None if batch.value_switch is None else own.returns - batch.value_switch
    low, high, switch = normalized_levels(own.low, own.high, switch, segments.start, settings)
    return Advantages(
        segment_start=segments.start,
        low=low,
        high=high,
        switch=switch,
        target_low=target.low + value_low,
        target_high=np.where(segments.start, target.high + value_high, 0.0),
        target_switch=None if switch is None else target.returns,
        target_high_mask=segments.start,
    )


@dataclass(frozen=True, eq=False)
class _Inputs:
    reward: Floats
    """[T] shaped rewards."""
    value_low: Floats
    """[T] V_low."""
    value_high: Floats
    """[T] V_high."""
    segments: Segments
    after_low: Floats
    """[K] value after each segment, for the low level."""
    after_high: Floats
    """[K] value after each segment, for the other levels; differs from `after_low` where an episode ends."""
    gamma: float


@dataclass(frozen=True, eq=False)
class _Levels:
    """Results of one choice of lambdas, [T] each: `high` is 0 except at segment starts, `returns` is G."""

    low: Floats
    high: Floats
    returns: Floats


def _inputs(batch: TurnBatch, settings: EstimatorSettings) -> _Inputs:
    value_low, value_high = required(batch, "value_low", "hae"), required(batch, "value_high", "hae")
    segments = Segments.of(batch)
    after_high = np.empty(len(segments.first))
    after_high[:-1] = value_high[segments.first[1:]]
    after_low = after_high.copy()
    after_low[segments.final] = bootstrap_values(
        batch, settings, value_low, segments.last[segments.final], "final_value_low"
    )
    after_high[segments.final] = bootstrap_values(
        batch, settings, value_high, segments.first[segments.final], "final_value_high"
    )
    reward = shaped_rewards(batch, settings)
    return _Inputs(reward, value_low, value_high, segments, after_low, after_high, settings.gamma)


def _levels(inputs: _Inputs, lambda_turn: float, lambda_segment: float, lambda_boundary: float) -> _Levels:
    reward, segments, gamma = inputs.reward, inputs.segments, inputs.gamma
    after_low, after_high = inputs.after_low, inputs.after_high
    returns = _segment_returns(reward, after_high, segments, gamma)
    high_k = _high(returns, inputs.value_high, segments, gamma, lambda_segment)
    if lambda_boundary:
        ahead = lambda_boundary * np.append(high_k[1:], 0.0)
        ahead[segments.final] = 0.0
        after_low = after_low + ahead
        returns = _segment_returns(reward, after_high + ahead, segments, gamma)
    low = gae_scan(reward, inputs.value_low, segments.last, after_low, gamma, lambda_turn)
    high = np.zeros(len(reward))
    high[segments.first] = high_k
    return _Levels(low, high, returns)


def _segment_returns(reward: Floats, after: Floats, segments: Segments, gamma: float) -> Floats:
    decay = np.full(len(reward), gamma)
    decay[segments.last] = 0.0
    x = reward.copy()
    x[segments.last] += gamma * after
    return reverse_scan(x, decay)


def _high(returns: Floats, value: Floats, segments: Segments, gamma: float, lambda_segment: float) -> Floats:
    """[K] advantages of the subgoals."""
    length = segments.last - segments.first + 1
    decay: Floats = lambda_segment * np.power(gamma, length, dtype=np.float64)
    decay[segments.final] = 0.0
    return reverse_scan(returns[segments.first] - value[segments.first], decay)
