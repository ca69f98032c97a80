"""The short form of the drill of clocks that jump."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.rollouts import jumps, on_models


def test_no_time_and_no_lease_is_measured_by_the_wall_clock() -> None:
    for row in on_models(jumps)(Effort(seed=1, scale=0.01)):
        assert row.passed, row
