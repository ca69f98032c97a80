"""Confidence intervals of measured success rates and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev


@dataclass(frozen=True)
class Mean:
    """A mean with its confidence interval."""

    mean: float
    half: float
    """Half of the interval's width; 0 for a single value, which says nothing about the spread."""

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Proportion:
    """A rate of successes with its confidence interval; all three numbers are in [0, 1]."""

    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.rate:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def normal(values: Sequence[float], confidence: float = 0.95) -> Mean:
    """The mean of one or more independent values with the interval of the normal approximation."""
    count = len(values)
    deviation = stdev(values) if count > 1 else 0.0
    return Mean(fmean(values), NormalDist().inv_cdf((1 + confidence) / 2) * deviation / math.sqrt(count))


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """Wilson's score interval: E. B. Wilson, Probable inference, JASA 22 (1927), pp. 209-212.

    Unlike the normal approximation it stays within [0, 1] and is usable for few trials and rates near 0 or 1.

    Raises:
        ValueError: unless 0 <= successes <= trials, trials > 0 and 0 < confidence < 1.
    """
    if not (0 <= successes <= trials and trials > 0 and 0 < confidence < 1):
        raise ValueError(
            f"{successes} successes of {trials} trials at confidence {confidence}: needed are "
            "0 <= successes <= trials, trials > 0 and 0 < confidence < 1"
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # At the extremes the exact bounds are 0 and 1; rounding would leave something like 1e-17.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Proportion(rate, low, high)
