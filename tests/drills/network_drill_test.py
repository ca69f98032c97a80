"""The short form of the drill of the network."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.network import network


def test_faults_of_the_network_fail_no_call_and_start_no_storm() -> None:
    for row in network(Effort(seed=1, scale=0.02)):
        assert row.passed, row
