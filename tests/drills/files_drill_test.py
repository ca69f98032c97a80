"""The short form of the drills of damaged files."""

from __future__ import annotations

import pytest

from tests.drills import files
from tests.drills.drill import Drill, Effort


@pytest.mark.parametrize("drill", [files.checkpoints, files.adapters, files.metrics, files.configurations])
def test_a_damaged_file_is_refused_by_name_and_the_one_before_is_used(drill: Drill) -> None:
    row = drill(Effort(seed=2, scale=0.01))
    assert row.passed, row
    assert row.injected >= 10
