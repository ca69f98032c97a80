"""The recursion that all estimators with a discount share, and GAE in terms of it."""

from __future__ import annotations

import numpy as np

from hae.arrays import Floats, Ints


def reverse_scan(x: Floats, decay: Floats) -> Floats:
    """y[t] = x[t] + decay[t] * y[t + 1], from the last t to the first, with y[T] = 0.

    A 0 in `decay` cuts the recursion, so one call computes all segments of all episodes. y is the solution of
    a triangular system: its matrix has 1 on the diagonal and -decay beside it. BLAS solves the system by the
    same substitution, in the same order, as a loop would. (A closed form with cumulative sums would divide by
    powers of the decay, and lose all digits over long horizons.)

    Args:
        x: [T] float64; T is at least 1.
        decay: [T] float64; the last entry is not read.

    Returns:
        [T] float64: the result of the loop, up to rounding, because BLAS may fuse products and sums.
    """
    # Takes 0.2 s the first time, which commands that only read settings of estimators need not wait for.
    from scipy.linalg.blas import dtbsv  # type: ignore[import-untyped]

    bands = np.empty((2, len(x)), order="F")
    np.negative(decay[:-1], out=bands[0, 1:])
    y: Floats = dtbsv(1, bands, x, diag=1)
    return y


def gae_scan(
    reward: Floats, value: Floats, last: Ints, after: Floats, gamma: float, lambda_turn: float
) -> Floats:
    """GAE (arXiv 1506.02438) inside each of N stretches of turns, such as segments or episodes.

        delta_t = reward_t + gamma * next_t - value_t
        A_t     = delta_t + gamma * lambda_turn * A_{t+1}      (0 beyond the stretch)
        next_t  = value_{t+1} inside the stretch, `after` on its last turn

    Args:
        reward: [T] rewards.
        value: [T] values.
        last: [N] last turn of each stretch; the last of them is T - 1.
        after: [N] value after each stretch.
        gamma: Discount per turn.
        lambda_turn: GAE's lambda.

    Returns:
        [T] advantages A.
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
