"""The short form of the drill of killed orchestrators."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.rollouts import kills, lone_kills, on_models


def test_a_run_outlives_killed_orchestrators() -> None:
    for row in on_models(kills, lone_kills)(Effort(seed=1, scale=0.005)):
        assert row.passed, row
