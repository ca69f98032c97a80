"""The short form of the drills of adapters."""

from __future__ import annotations

from tests.drills.adapters import adapters
from tests.drills.drill import Effort
from tests.drills.vllm_switches import vllm_switches


def test_bad_adapters_are_refused_and_good_ones_switched_without_a_failed_or_mixed_answer() -> None:
    for row in adapters(Effort(seed=1, scale=0.01)):
        assert row.passed, row


def test_the_bookkeeping_of_vllm_fails_and_mixes_no_answer() -> None:
    row = vllm_switches(Effort(seed=1))
    assert row.passed, row
