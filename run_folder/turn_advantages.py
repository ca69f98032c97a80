"""The advantages and values of a turn, as an update used them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["low", "high", "switch"]
"""What an advantage is of: the action, the subgoal, or the decision to keep or switch."""


@dataclass(frozen=True)
class TurnValues:
    """The critic's values of a turn, from which its advantages were computed, in units of reward."""

    low: float
    """V_low, after the subgoal is known and before the action."""
    high: float
    """V_high, before a subgoal is written; computed on every turn."""
    switch: float | None
    """V_switch, before the decision; None with two value heads."""


@dataclass(frozen=True)
class TurnAdvantages:
    """The advantages of a turn, as the update used them."""

    low: float
    high: float
    """Advantage of the subgoal; 0 except at segment starts."""
    switch: float | None
    """Advantage of the decision; None with two value heads."""
    values: TurnValues | None = None
    """Values; None with estimators that use none, and in stores of earlier versions."""

    def of(self, level: Level) -> tuple[float | None, float | None]:
        """The advantage of a level, and the value that it was computed from."""
        match level:
            case "low":
                return self.low, None if self.values is None else self.values.low
            case "high":
                return self.high, None if self.values is None else self.values.high
            case "switch":
                return self.switch, None if self.values is None else self.values.switch
