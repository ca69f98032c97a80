"""The short form of the drills of whole runs."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.rollouts import rollouts


def test_runs_outlive_killed_orchestrators_jumps_of_the_clock_and_faults_of_all_kinds() -> None:
    for row in rollouts(Effort(seed=1, scale=0.005)):
        assert row.passed, row
