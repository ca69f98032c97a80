"""The short form of the store's drills."""

from __future__ import annotations

from tests.drills import store
from tests.drills.drill import Effort


def test_what_was_acknowledged_outlives_kills() -> None:
    row = store.kills(Effort(seed=1, scale=0.03))
    assert row.passed, row


def test_a_record_that_ends_anywhere_costs_no_other() -> None:
    row = store.truncations(Effort(scale=0.002))
    assert row.passed, row
