"""What every estimator returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Bools, Floats
from hae.settings import EstimatorSettings


@dataclass(frozen=True, eq=False)
class Advantages:
    """Advantages and value targets of a batch, [T] each, in the batch's order of turns.

    The executor's action tokens learn from `low`, the planner's subgoal tokens from `high` where
    `segment_start`, its decision tokens from `switch`. Targets are never normalised.
    """

    segment_start: Bools
    """The turns on which a subgoal was written: SWITCH, and turn 0 of each episode."""
    low: Floats
    """Of the action, every turn."""
    high: Floats
    """Of the subgoal; 0 off the segment starts."""
    switch: Floats | None
    """Of KEEP or SWITCH, every turn; None with two value heads."""
    target_low: Floats | None
    """What V_low should have been, every turn; None where the estimator has no value functions (`grpo`)."""
    target_high: Floats | None
    """What V_high should have been on `target_high_mask`, 0 elsewhere; None as above."""
    target_switch: Floats | None
    """What V_switch should have been, every turn; None as above, and with two value heads."""
    target_high_mask: Bools
    """Where V_high is trained: segment starts (`hae`), every turn (`gae`), nowhere (`grpo`)."""


def standardized(x: Floats) -> Floats:
    """(x - mean) / (population standard deviation + 1e-8)."""
    centred: Floats = x - x.mean()
    deviation = float(np.sqrt(centred @ centred / len(x)))
    return centred / (deviation + 1e-8)


def normalized_levels(
    low: Floats, high: Floats, switch: Floats | None, segment_start: Bools, settings: EstimatorSettings
) -> tuple[Floats, Floats, Floats | None]:
    """The three levels, each [T], standardised where `settings.normalize` says so; `high` over its starts."""
    flags = settings.normalize
    if flags.low:
        low = standardized(low)
    if flags.high:
        high = high.copy()
        high[segment_start] = standardized(high[segment_start])
    if flags.switch and switch is not None:
        switch = standardized(switch)
    return low, high, switch
