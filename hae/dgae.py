"""Decision-level GAE (dgae): each choice that is made in a turn is a step of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Bools, Floats, Ints
from hae.batch import TurnBatch
from hae.bootstrap import bootstrap_values, required
from hae.result import Advantages, normalized_levels
from hae.scan import reverse_scan
from hae.segments import Segments
from hae.settings import EstimatorSettings
from hae.shaping import action_rewards, keep_penalties


def dgae_advantages(batch: TurnBatch, settings: EstimatorSettings) -> Advantages:
    """GAE (arXiv 1506.02438) whose steps are decisions: KEEP or SWITCH, the subgoal, the action.

    The recursion runs along the whole episode; segment ends do not cut it. A turn is up to three steps of an
    augmented decision process (as in DAC, arXiv 1904.12691, for options), and there is a value before each
    step. Let lambda be `lambda_decision`, r_t the reward without keep penalties, and p_t the keep penalty (0
    on SWITCH), which is the reward of the decision. Let E_t and entry_t be the value and the advantage of the
    first step of turn t. Then:

        low      low_t    = r_t + gamma * E_{t+1} - V_low(t) + gamma * lambda * entry_{t+1}
        high     high_t   = V_low(t) - V_high(t) + lambda * low_t             where a segment starts
        switch   switch_t = V_high(t) - V_switch(t) + lambda * high_t         on SWITCH
                 switch_t = p_t + V_low(t) - V_switch(t) + lambda * low_t     on KEEP
        entry    E_t = V_switch(t),  entry_t = switch_t

    After an episode's last turn, entry is 0, and E is 0 if the episode is terminated, otherwise the bootstrap
    value: `bootstrap: last` reads E at the last turn, `final` reads `final_value_switch`, or with two value
    heads `final_value_low`. On turn 0 there is nothing to decide: a segment starts, E_0 = V_high(0), and
    switch_0 = p_0.

    Without `value_switch` (two value heads), a turn is one or two steps, and decisions get no advantage. On
    SWITCH, E_t = V_high(t) and entry_t = high_t; on KEEP, E_t = p_t + V_low(t) and entry_t = low_t.

    The targets are low_t + V_low(t), high_t + V_high(t) where a segment starts, and switch_t + V_switch(t),
    which on turn 0 is p_0 + high_0 + V_high(0). If `lambda_target` is set, it replaces lambda in them
    (decoupled GAE, arXiv 2503.01491). V_low does not include the keep penalty of its own turn.

    With exact values, the mean of the estimate is the policy gradient for every lambda. With lambda = 1, each
    advantage is a return minus a baseline of its own, so this holds for any values.

    Raises:
        BatchError: the batch lacks `value_low`, `value_high`, or a final value that is needed.
    """
    steps = _steps(batch, settings)
    own = _levels(steps, settings.lambda_decision)
    target = own if settings.lambda_target is None else _levels(steps, settings.lambda_target)
    low, high, switch = normalized_levels(own.low, own.high, own.switch, steps.start, settings)
    target_high = np.where(steps.start, target.high + steps.high, 0.0)
    return Advantages(
        segment_start=steps.start,
        low=low,
        high=high,
        switch=switch,
        target_low=target.low + steps.low,
        target_high=target_high,
        target_switch=_switch_targets(steps, target.switch, target_high),
        target_high_mask=steps.start,
    )


@dataclass(frozen=True, eq=False)
class _Steps:
    """The inputs of the recursion; all fields are [T] unless stated otherwise."""

    reward: Floats
    """Rewards r_t."""
    keep: Floats
    """Keep penalties p_t."""
    low: Floats
    """V_low."""
    high: Floats
    """V_high."""
    switch: Floats | None
    """V_switch; None with two value heads."""
    entry: Floats
    """Values E_t."""
    start: Bools
    """Whether a segment starts."""
    first: Ints
    """[E] first turn of each episode."""
    last: Ints
    """[E] last turn of each episode."""
    after: Floats
    """[E] E after the last turn."""
    gamma: float


@dataclass(frozen=True, eq=False)
class _Levels:
    """Advantages, [T] each; `high` is 0 except at segment starts."""

    low: Floats
    high: Floats
    switch: Floats | None


def _steps(batch: TurnBatch, settings: EstimatorSettings) -> _Steps:
    low, high = required(batch, "value_low", "dgae"), required(batch, "value_high", "dgae")
    keep = keep_penalties(batch, settings)
    keep = np.zeros(batch.turns) if keep is None else keep
    first, last = batch.episode_offsets[:-1], batch.episode_offsets[1:] - 1
    start = Segments.of(batch).start
    if batch.value_switch is None:
        entry, final = np.where(start, high, low + keep), "final_value_low"
    else:
        entry, final = batch.value_switch.copy(), "final_value_switch"
        entry[first] = high[first]
    return _Steps(
        reward=action_rewards(batch, settings),
        keep=keep,
        low=low,
        high=high,
        switch=batch.value_switch,
        entry=entry,
        start=start,
        first=first,
        last=last,
        after=bootstrap_values(batch, settings, entry, last, final),
        gamma=settings.gamma,
    )


def _levels(steps: _Steps, lam: float) -> _Levels:
    """One scan over turns, because entry_t is linear in low_t: entry_t = own_t + part_t * low_t."""
    subgoal = steps.low - steps.high
    if steps.switch is None:
        own, part = np.where(steps.start, subgoal, 0.0), np.where(steps.start, lam, 1.0)
    else:
        decided = np.where(steps.start, steps.high, steps.low + steps.keep) - steps.switch
        own = decided + np.where(steps.start, lam * subgoal, 0.0)
        part = np.where(steps.start, lam * lam, lam)

    x, decay = np.empty_like(own), np.empty_like(own)
    x[:-1] = steps.entry[1:] + lam * own[1:]
    x[steps.last] = steps.after
    x *= steps.gamma
    x += steps.reward
    x -= steps.low
    decay[:-1] = (steps.gamma * lam) * part[1:]
    decay[steps.last] = 0.0
    low = reverse_scan(x, decay)

    high = np.where(steps.start, subgoal + lam * low, 0.0)
    if steps.switch is None:
        return _Levels(low, high, None)
    switch = own + part * low
    switch[steps.first] = steps.keep[steps.first]
    return _Levels(low, high, switch)


def _switch_targets(steps: _Steps, switch: Floats | None, target_high: Floats) -> Floats | None:
    """[T] targets of V_switch; None with two value heads."""
    if switch is None or steps.switch is None:
        return None
    target = switch + steps.switch
    target[steps.first] = switch[steps.first] + target_high[steps.first]
    return target
