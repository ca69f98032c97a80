"""The short form of the drills of whole runs."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.rollouts import rollouts


def test_runs_outlive_the_kills_of_their_orchestrator_and_jumps_of_the_clock() -> None:
    for row in rollouts(Effort(seed=1, scale=0.01)):
        assert row.passed, row
