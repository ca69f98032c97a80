"""The short form of the soak."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.soak import soak


def test_a_run_goes_on_under_faults_of_all_kinds() -> None:
    row = soak(Effort(seed=1, scale=0.001))
    assert row.passed, row
