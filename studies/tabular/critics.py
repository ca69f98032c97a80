"""Value functions of the tabular task: exact ones, wrong ones, and zero."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hae.arrays import Floats
from studies.tabular.exact import Values
from studies.tabular.sampling import Rollouts


@dataclass(frozen=True, eq=False)
class TableCritic:
    """Reads values from tables, by turn, state and subgoal."""

    values: Values
    keep_penalty: float = 0.0
    """Amount that the executor's value includes on KEEP turns."""
    sees_keep: bool = True
    """Whether the executor's value knows if the turn is KEEP; else it has the mean penalty of such turns."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        t, s = rollouts.turn, rollouts.state
        keep = (~rollouts.switch).astype(np.float64)
        if not self.sees_keep:
            keep = _mean_by_cell(keep, rollouts, self.values.low.shape)
        low = self.values.low[t, s, rollouts.subgoal] + self.keep_penalty * keep
        high = self.values.high[t, s]
        # On turn 0 there is no subgoal yet and SWITCH is given, so the value before it is V_high.
        switch = np.where(t == 0, high, self.values.switch[t, s, rollouts.held])
        return low, high, switch


def _mean_by_cell(x: Floats, rollouts: Rollouts, shape: tuple[int, ...]) -> Floats:
    cell = np.ravel_multi_index((rollouts.turn, rollouts.state, rollouts.subgoal), shape)
    mean: Floats = (np.bincount(cell, x) / np.maximum(np.bincount(cell), 1))[cell]
    return mean


class SingleHeadCritic(TableCritic):
    """One value per turn for all its tokens, read before the decision, as in flat PPO."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        _, _, switch = super().__call__(rollouts)
        assert switch is not None
        return switch, switch, switch


class TwoHeadCritic(TableCritic):
    """V_low and V_high without V_switch."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        low, high, _ = super().__call__(rollouts)
        return low, high, None


def disturbed(values: Values, scale: float, levels: tuple[str, ...], seed: int) -> Values:
    """Values with random errors of `scale` standard deviations of V_high.

    The errors differ by state and subgoal, and are the same on all turns.

    Args:
        values: Exact values.
        scale: Size of the errors.
        levels: Levels that get errors: `low`, `high`, `switch`.
        seed: Seed of the errors.
    """
    rng = np.random.default_rng(seed)
    tables = {}
    for level in ("low", "high", "switch"):
        table = getattr(values, level)
        noise = scale * values.high.std() * rng.normal(size=table.shape[1:])
        if level in levels:
            tables[level] = table + noise
    return replace(values, **tables)


def untrained(values: Values) -> Values:
    """Values that are 0 everywhere."""
    zero = {level: np.zeros_like(getattr(values, level)) for level in ("low", "high", "switch")}
    return replace(values, **zero)
