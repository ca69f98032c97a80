"""Confidence intervals of measured success rates and scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Mean:
    """A mean of scores with its confidence interval; all three numbers are in [0, 1]."""

    mean: float
    low: float
    high: float

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
    rate = successes / trials
    return Proportion(rate, *_wilson(rate, trials, confidence))


def mean_score(mean: float, count: int, confidence: float = 0.95) -> Mean:
    """The mean of `count` scores in [0, 1], with Wilson's interval for a success rate as high.

    Scores of a given mean m vary at most as much as wins and losses do, by m * (1 - m). So the interval is,
    if anything, too wide, and for wins and losses it is `wilson`'s.

    Raises:
        ValueError: unless 0 <= mean <= 1, count > 0 and 0 < confidence < 1.
    """
    if not (0 <= mean <= 1 and count > 0 and 0 < confidence < 1):
        raise ValueError(
            f"a mean of {mean} of {count} scores at confidence {confidence}: needed are 0 <= mean <= 1, "
            "count > 0 and 0 < confidence < 1"
        )
    return Mean(mean, *_wilson(mean, count, confidence))


def _wilson(rate: float, trials: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # At the extremes the exact bounds are 0 and 1; rounding would leave something like 1e-17.
    return 0.0 if rate == 0 else max(0.0, centre - half), 1.0 if rate == 1 else min(1.0, centre + half)
