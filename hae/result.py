"""What every estimator returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Bools, Floats
from hae.settings import EstimatorSettings


@dataclass(frozen=True, eq=False)
class Advantages:
    """Advantages and value targets of a batch; all fields are [T], in the batch's order of turns.

    The executor's action tokens learn from `low`. The planner's subgoal tokens learn from `high` where
    `segment_start` is True, its decision tokens from `switch`. Targets are never normalised.
    """

    segment_start: Bools
    """Whether a subgoal was written on the turn: on SWITCH, and on turn 0 of each episode."""
    low: Floats
    """Advantage of the action."""
    high: Floats
    """Advantage of the subgoal; 0 except at segment starts."""
    switch: Floats | None
    """Advantage of the decision, KEEP or SWITCH; None with two value heads."""
    target_low: Floats | None
    """Target of V_low; None for estimators without value functions (`grpo`, `gigpo`)."""
    target_high: Floats | None
    """Target of V_high where `target_high_mask` is True, 0 elsewhere; None without value functions."""
    target_switch: Floats | None
    """Target of V_switch; None without value functions, and with two value heads."""
    target_high_mask: Bools
    """Whether V_high is trained on the turn: at segment starts (`hae`, `dgae`), on all turns (`gae`), on none
    (`grpo`, `gigpo`)."""


def normalized_levels(
    low: Floats, high: Floats, switch: Floats | None, segment_start: Bools, settings: EstimatorSettings
) -> tuple[Floats, Floats, Floats | None]:
    """The three levels, [T] each, normalised if `settings.normalize` says so:

        (x - mean(x)) / (deviation + 1e-8)

    `deviation` is the population standard deviation of x itself, or that of `low` if `settings.deviation` is
    `low`. For `high`, x are the segment starts alone.
    """
    flags = settings.normalize
    common = _deviation(low - low.mean()) if settings.deviation == "low" else None
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
