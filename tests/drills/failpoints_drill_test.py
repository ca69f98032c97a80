"""The short form of the drill of a learner that is killed at its writes."""

from __future__ import annotations

from tests.drills import failpoints
from tests.drills.drill import Effort


def test_a_learner_killed_at_a_write_resumes_to_the_same_adapters() -> None:
    row = failpoints.counting(Effort(scale=0.05))
    assert row.passed, row
    assert row.injected >= 5


def test_a_trainer_killed_at_a_write_resumes_to_the_same_adapters() -> None:
    row = failpoints.training(Effort(scale=0.03))
    assert row.passed, row
