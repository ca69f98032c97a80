"""Decision-level GAE: each choice of a turn is a step of its own."""

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
    """GAE (arXiv 1506.02438) over decisions: KEEP or SWITCH, the subgoal, the action; nothing cuts it.

    A turn is up to three steps of an augmented decision process (as options are in DAC, arXiv 1904.12691),
    each with a value before it. With lambda = `lambda_decision`, r_t the reward without keep penalties,
    p_t the keep penalty (0 on SWITCH), which the decision earns, and E_t and entry_t the value and the
    advantage of the first step of turn t:

        low      low_t    = r_t + gamma * E_{t+1} - V_low(t) + gamma * lambda * entry_{t+1}
        high     high_t   = V_low(t) - V_high(t) + lambda * low_t             where a segment starts
        switch   switch_t = V_high(t) - V_switch(t) + lambda * high_t         on SWITCH
                 switch_t = p_t + V_low(t) - V_switch(t) + lambda * low_t     on KEEP
        entry    E_t = V_switch(t),  entry_t = switch_t

    After an episode's last turn E is 0 after termination, else the bootstrap, and entry is 0. On turn 0 there
    is nothing to decide: a segment starts there, E_0 = V_high(0), and switch_0 is p_0.

    Without `value_switch` (two value heads) a turn is one or two steps: E_t = V_high(t) and entry_t = high_t
    on SWITCH; E_t = p_t + V_low(t) and entry_t = low_t on KEEP; decisions get no advantage.

    The targets are low_t + V_low(t), high_t + V_high(t) where a segment starts, and switch_t + V_switch(t),
    which on turn 0 is p_0 + high_0 + V_high(0); with `lambda_target` in place of lambda where it is set
    (decoupled GAE, arXiv 2503.01491). V_low does not count the keep penalty of its own turn.

    With exact values the mean is the policy gradient for every lambda. With lambda = 1 each advantage is a
    return less its own baseline, so that the mean is the gradient whatever the values are. `bootstrap: last`
    reads E at the last turn; `final` reads `final_value_switch`, or `final_value_low` with two value heads.

    Raises:
        BatchError: where the batch lacks `value_low`, `value_high`, or a final value that is needed.
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
    """[T] each, but for `first`, `last` and `after`."""

    reward: Floats
    """r_t."""
    keep: Floats
    """p_t."""
    low: Floats
    high: Floats
    switch: Floats | None
    """The three values before a step; `switch` None with two heads."""
    entry: Floats
    """E_t."""
    start: Bools
    first: Ints
    """[E] the first turn of each episode."""
    last: Ints
    """[E] its last."""
    after: Floats
    """[E] E after the last turn."""
    gamma: float


@dataclass(frozen=True, eq=False)
class _Levels:
    """[T] each; `high` is 0 off the segment starts."""

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
    """One scan over turns: the steps before an action are resolved into entry_t = own_t + part_t * low_t."""
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
    """[T], or None with two heads."""
    if switch is None or steps.switch is None:
        return None
    target = switch + steps.switch
    target[steps.first] = switch[steps.first] + target_high[steps.first]
    return target
