"""The short form of the soak."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.rollouts import endurance, on_models


def test_a_run_goes_on_after_a_fault_of_each_kind() -> None:
    for row in on_models(endurance)(Effort(seed=1, scale=0.01)):
        assert row.passed, row
