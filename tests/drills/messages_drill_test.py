"""The short form of the drill of damaged messages."""

from __future__ import annotations

from tests.drills.drill import Effort
from tests.drills.messages import drills, rpcs


def test_damaged_messages_are_refused_and_crash_nothing() -> None:
    for row in drills(rpcs(), Effort(seed=3, scale=0.002)):
        assert row.passed, row
