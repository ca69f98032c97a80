"""Intervals for means of gradients, and for their variances and squared errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm  # type: ignore[import-untyped]

from hae.arrays import Floats

CONFIDENCE = 0.99
Z = float(norm.ppf(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class Comparison:
    """The mean of an estimator against the exact gradient, P parameters that were met."""

    slope: float
    """Of the mean along the exact gradient: 1 where they agree."""
    slope_error: float
    """Half of the 99 % interval of `slope`."""
    outside: int
    """Parameters whose exact derivative is outside the 99 % interval of their mean; chance alone: P / 100."""
    parameters: int
    """P."""
    p_value: float
    """Of the hypothesis that all P means are the exact derivatives (chi-squared, all together)."""
    bias: float
    """|mean - exact| / |exact|, what chance adds to it taken off."""


class RunningMoments:
    """Sums over independent rows of a gradient [P] and of its outer product."""

    def __init__(self, parameters: int) -> None:
        self._rows = 0
        self._sum = np.zeros(parameters)
        self._products = np.zeros((parameters, parameters))

    def add(self, gradients: Floats) -> None:
        """[N, P], rows independent of each other."""
        self._rows += len(gradients)
        self._sum += gradients.sum(axis=0)
        self._products += gradients.T @ gradients

    def compare(self, exact: Floats) -> Comparison:
        """[P] exact derivatives."""
        mean = self._sum / self._rows
        spread = self._products / self._rows - np.outer(mean, mean)
        met = np.diag(spread) > 1e-12
        covariance = spread[np.ix_(met, met)] / self._rows
        error, exact, mean = (mean - exact)[met], exact[met], mean[met]
        square = exact @ exact
        scale, axes = np.linalg.eigh(covariance)
        firm = scale > 1e-9 * scale.max()
        distance = ((axes.T @ error)[firm] ** 2 / scale[firm]).sum()
        return Comparison(
            slope=float(mean @ exact / square),
            slope_error=Z * float(np.sqrt(exact @ covariance @ exact) / square),
            outside=int((np.abs(error) > Z * np.sqrt(np.diag(covariance))).sum()),
            parameters=int(met.sum()),
            p_value=float(chi2.sf(distance, firm.sum())),
            bias=float(np.sqrt(max(0.0, error @ error - np.trace(covariance)) / square)),
        )


@dataclass(frozen=True)
class Interval:
    """A number with its 99 % bootstrap interval."""

    value: float
    low: float
    high: float


class Resampling:
    """The same bootstrap samples of N rows for everything that is compared."""

    def __init__(self, rows: int, samples: int, rng: np.random.Generator) -> None:
        even = np.full(rows, 1 / rows)
        resampled = rng.multinomial(rows, even, size=samples) / rows
        self._weights = np.concatenate([even[None], resampled])

    def variance(self, gradients: Floats) -> Floats:
        """[1 + samples] trace of the covariance of [N, P]: of all rows first, then of each sample."""
        means = self._weights @ gradients
        squares = self._weights @ (gradients**2).sum(axis=1)
        rows = len(gradients)
        traces: Floats = (squares - (means**2).sum(axis=1)) * rows / (rows - 1)
        return traces

    def squared_error(self, gradients: Floats, exact: Floats, batch: int) -> Floats:
        """[1 + samples] expected squared error of a mean of `batch` rows: bias squared plus variance."""
        variance = self.variance(gradients)
        error = self._weights @ gradients - exact
        chance = np.full(len(variance), 2.0)
        chance[0] = 1.0  # a bootstrap mean has the sample's error and its own on top
        square = (error**2).sum(axis=1) - chance * variance / len(gradients)
        total: Floats = np.maximum(square, 0.0) + variance / batch
        return total


def interval(result: Floats) -> Interval:
    """Of a result of a `Resampling`, or of the ratio of two results of the same one."""
    low, high = np.quantile(result[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(result[0]), float(low), float(high))
