"""The short form of the drills of parsers."""

from __future__ import annotations

import pytest

from tests.drills import texts
from tests.drills.drill import Drill, Effort


@pytest.mark.parametrize("drill", [texts.answers, texts.game_files, texts.product_files])
def test_whatever_is_read_is_refused_by_name_or_understood(drill: Drill) -> None:
    row = drill(Effort(seed=2, scale=0.1))
    assert row.passed, row
