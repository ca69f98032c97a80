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
    """What V_low should have been, every turn; None without values (`grpo`, `gigpo`)."""
    target_high: Floats | None
    """What V_high should have been on `target_high_mask`, 0 elsewhere; None as above."""
    target_switch: Floats | None
    """What V_switch should have been, every turn; None as above, and with two value heads."""
    target_high_mask: Bools
    """Where V_high is trained: segment starts (`hae`), every turn (`gae`), nowhere (`grpo`, `gigpo`)."""


def normalized_levels(
    low: Floats, high: Floats, switch: Floats | None, segment_start: Bools, settings: EstimatorSettings
) -> tuple[Floats, Floats, Floats | None]:
    """The three levels, each [T], normalised where `settings.normalize` says so; `high` over its starts.

        (x - mean(x)) / (deviation + 1e-8)

    with the population standard deviation of x itself, or of `low` where `normalize.deviation` is `low`.
    """
    flags = settings.normalize
    common = _deviation(low - low.mean()) if flags.deviation == "low" else None
    if flags.low:
        low = _normalized(low, common)
    if flags.high:
        high = high.copy()
        high[segment_start] = _normalized(high[segment_start], common)
    if flags.switch and switch is not None:
        switch = _normalized(switch, common)
    return low, high, switch


def _normalized(x: Floats, common: float | None) -> Floats:
    centred: Floats = x - x.mean()
    return centred / ((_deviation(centred) if common is None else common) + 1e-8)


def _deviation(centred: Floats) -> float:
    return float(np.sqrt(centred @ centred / len(centred)))
