"""The one recursion behind every estimator here."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dtbsv  # type: ignore[import-untyped]

from learner.hae.arrays import Floats


def reverse_scan(x: Floats, decay: Floats) -> Floats:
    """y[t] = x[t] + decay[t] * y[t + 1], from the last t to the first, with y[T] = 0.

    A 0 in `decay` cuts the recursion, so one call serves all segments of all episodes. The equations say
    that y solves a triangular system whose matrix has 1 on its diagonal and -decay beside it; BLAS solves
    that by the same substitution, in the same order, as the loop would. Closed forms with cumulative sums
    divide by powers of the decay, which lose all digits over long horizons.

    Args:
        x: [T] float64, T at least 1.
        decay: [T] float64; the last is not read.

    Returns:
        [T] float64, bit for bit what the loop gives.
    """
    bands = np.empty((2, len(x)), order="F")
    np.negative(decay[:-1], out=bands[0, 1:])
    y: Floats = dtbsv(1, bands, x, diag=1)
    return y
