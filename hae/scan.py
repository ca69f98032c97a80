"""The one recursion behind every estimator here, and GAE written with it."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dtbsv  # type: ignore[import-untyped]

from hae.arrays import Floats, Ints


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
        [T] float64: what the loop gives, but for the roundings saved where BLAS fuses multiply and add.
    """
    bands = np.empty((2, len(x)), order="F")
    np.negative(decay[:-1], out=bands[0, 1:])
    y: Floats = dtbsv(1, bands, x, diag=1)
    return y


def gae_scan(
    reward: Floats, value: Floats, last: Ints, after: Floats, gamma: float, lambda_turn: float
) -> Floats:
    """GAE (arXiv 1506.02438) inside each of many stretches of turns.

        delta_t = reward_t + gamma * next_t - value_t
        A_t     = delta_t + gamma * lambda_turn * A_{t+1}      (0 beyond the stretch)
        next_t  = value_{t+1} inside the stretch, `after` on its last turn

    Args:
        reward, value: [T].
        last: [N] the last turn of each stretch; T - 1 is one of them.
        after: [N] the value that follows each stretch.

    Returns:
        [T] A.
    """
    delta = np.empty_like(value)
    delta[:-1] = value[1:]
    delta[last] = after
    delta *= gamma
    delta += reward
    delta -= value
    decay = np.full(len(value), gamma * lambda_turn)
    decay[last] = 0.0
    return reverse_scan(delta, decay)
