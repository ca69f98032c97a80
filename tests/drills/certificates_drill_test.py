"""The short form of the drills of mTLS."""

from __future__ import annotations

from tests.drills.certificates import certificates
from tests.drills.drill import Effort


def test_only_good_certificates_with_the_right_role_are_answered_and_renewals_drop_no_call() -> None:
    for row in certificates(Effort(seed=1, scale=0.02)):
        assert row.passed, row
