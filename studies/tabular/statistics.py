"""Confidence intervals for the means of gradients, their variances and their squared errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm  # type: ignore[import-untyped]

from hae.arrays import Floats

CONFIDENCE = 0.99
Z = float(norm.ppf(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class Comparison:
    """A comparison of an estimator's mean with the exact gradient, for the P parameters that occurred."""

    slope: float
    """Slope of the mean along the exact gradient; 1 if they agree."""
    slope_error: float
    """Half the width of the 99 % interval of `slope`."""
    outside: int
    """Number of parameters whose exact derivative is outside their 99 % interval; by chance, P / 100."""
    parameters: int
    """Number of parameters, P."""
    p_value: float
    """P-value of the hypothesis that all P means are the exact derivatives (one chi-squared test)."""
    bias: float
    """|mean - exact| / |exact|, without the part that is due to chance."""


class RunningMoments:
    """Sums of independent samples of a gradient [P], and of their outer products."""

    def __init__(self, parameters: int) -> None:
        self._rows = 0
        self._sum = np.zeros(parameters)
        self._products = np.zeros((parameters, parameters))

    def add(self, gradients: Floats) -> None:
        """Adds samples [N, P] that are independent of each other."""
        self._rows += len(gradients)
        self._sum += gradients.sum(axis=0)
        self._products += gradients.T @ gradients

    def compare(self, exact: Floats) -> Comparison:
        """Compares the mean with the exact derivatives [P]."""
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
    """Bootstrap samples of N rows; everything that is compared uses the same ones."""

    def __init__(self, rows: int, samples: int, rng: np.random.Generator) -> None:
        even = np.full(rows, 1 / rows)
        resampled = rng.multinomial(rows, even, size=samples) / rows
        self._weights = np.concatenate([even[None], resampled])

    def variance(self, gradients: Floats) -> Floats:
        """[1 + samples] trace of the covariance of the gradients [N, P]: of all rows, then of each sample."""
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
        chance[0] = 1.0  # The mean of a bootstrap sample has its own error in addition to that of all rows.
        square = (error**2).sum(axis=1) - chance * variance / len(gradients)
        total: Floats = np.maximum(square, 0.0) + variance / batch
        return total


def interval(result: Floats) -> Interval:
    """The interval of a result of a `Resampling`, or of the ratio of two results of the same `Resampling`."""
    low, high = np.quantile(result[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(result[0]), float(low), float(high))
