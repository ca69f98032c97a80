"""Means over seeds with their intervals, and differences of methods that are paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t as student

from studies.curves.study import Outcome

Measure = Callable[[Outcome], float]
"""Function that reads a number from a run's result."""


def over_training(outcome: Outcome) -> float:
    """Success over training in per cent."""
    return 100 * outcome.area


def after_training(outcome: Outcome) -> float:
    """Success in held-out games after training in per cent; a reported run has it."""
    assert outcome.end is not None
    return 100 * outcome.end.success.rate


MEASURES: tuple[tuple[str, Measure], ...] = (
    ("over training", over_training),
    ("after training", after_training),
)
"""What runs are compared by, with the names in texts."""


@dataclass(frozen=True)
class Interval:
    """A mean with Student's 95 % interval."""

    mean: float
    half: float
    """Half of the interval's width, infinite for a single number."""

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    @classmethod
    def of(cls, values: Sequence[float], confidence: float = 0.95) -> Interval:
        """The interval of the mean of N independent numbers: mean ± t_(N-1) * deviation / sqrt(N)."""
        count = len(values)
        if count < 2:
            return cls(fmean(values), float("inf"))
        quantile = float(student.ppf((1 + confidence) / 2, count - 1))
        return cls(fmean(values), quantile * stdev(values) / sqrt(count))

    @property
    def signed(self) -> str:
        """The interval of a difference, with its sign."""
        return f"+{self}" if self.mean > 0 else str(self)

    def __str__(self) -> str:
        # Without the sign of a zero.
        return f"{self.mean:z.1f}" + ("" if self.half == float("inf") else f" ± {self.half:.1f}")


def differences(outcomes: Sequence[Outcome], others: Sequence[Outcome], measure: Measure) -> list[float]:
    """The differences of two methods, one for each seed that both have."""
    theirs = {outcome.cell.seed: measure(outcome) for outcome in others}
    return [measure(o) - theirs[o.cell.seed] for o in outcomes if o.cell.seed in theirs]


def paired(outcomes: Sequence[Outcome], others: Sequence[Outcome], measure: Measure) -> Interval | None:
    """The mean difference of two methods over the seeds that both have; None if they share none."""
    found = differences(outcomes, others, measure)
    return Interval.of(found) if found else None
