"""Value functions of the tabular task: exact, wrong on purpose, or none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hae.arrays import Floats
from studies.tabular.exact import Values
from studies.tabular.sampling import Rollouts


@dataclass(frozen=True, eq=False)
class TableCritic:
    """Looks values up by turn, state and subgoal."""

    values: Values
    keep_penalty: float = 0.0
    """What the executor's value counts on KEEP turns."""
    sees_keep: bool = True
    """False: the executor's value knows only how often such a turn is a KEEP turn."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        t, s = rollouts.turn, rollouts.state
        keep = (~rollouts.switch).astype(np.float64)
        if not self.sees_keep:
            keep = _mean_by_cell(keep, rollouts, self.values.low.shape)
        low = self.values.low[t, s, rollouts.subgoal] + self.keep_penalty * keep
        high = self.values.high[t, s]
        # On turn 0 no subgoal is held and SWITCH is given, so the state before it is that of V_high.
        switch = np.where(t == 0, high, self.values.switch[t, s, rollouts.held])
        return low, high, switch


def _mean_by_cell(x: Floats, rollouts: Rollouts, shape: tuple[int, ...]) -> Floats:
    cell = np.ravel_multi_index((rollouts.turn, rollouts.state, rollouts.subgoal), shape)
    mean: Floats = (np.bincount(cell, x) / np.maximum(np.bincount(cell), 1))[cell]
    return mean


class SingleHeadCritic(TableCritic):
    """One value a turn, before anything is decided in it, for all tokens: the critic of a flat PPO."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        _, _, switch = super().__call__(rollouts)
        assert switch is not None
        return switch, switch, switch


class TwoHeadCritic(TableCritic):
    """No V_switch."""

    def __call__(self, rollouts: Rollouts) -> tuple[Floats, Floats, Floats | None]:
        low, high, _ = super().__call__(rollouts)
        return low, high, None


def disturbed(values: Values, scale: float, levels: tuple[str, ...], seed: int) -> Values:
    """Wrong by `scale` standard deviations of V_high, by state and subgoal, alike on all turns."""
    rng = np.random.default_rng(seed)
    tables = {}
    for level in ("low", "high", "switch"):
        table = getattr(values, level)
        noise = scale * values.high.std() * rng.normal(size=table.shape[1:])
        if level in levels:
            tables[level] = table + noise
    return replace(values, **tables)


def untrained(values: Values) -> Values:
    """All zero."""
    zero = {level: np.zeros_like(getattr(values, level)) for level in ("low", "high", "switch")}
    return replace(values, **zero)
