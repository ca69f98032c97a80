"""When an engine counts as stuck."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.progress import ProgressWatch


def looks_until_stuck(watch: ProgressWatch, steps: int, waiting: int) -> int:
    """The number of looks at an engine that does not change any more."""
    count = 1
    while watch.look(steps, waiting) is None:
        count += 1
    return count


@pytest.mark.parametrize(("seconds", "pause", "looks"), [(300.0, 1.0, 300), (2.0, 0.1, 20), (0.2, 0.01, 20)])
def test_an_engine_is_stuck_after_the_seconds_without_a_step(
    seconds: float, pause: float, looks: int
) -> None:
    watch = ProgressWatch(seconds)
    assert watch.pause == pytest.approx(pause)
    assert looks_until_stuck(watch, steps=7, waiting=2) == looks + 1
    assert (
        watch.look(7, 2) == f"the model has computed nothing for {seconds:g} s although 2 calls wait for it"
    )


@given(st.lists(st.booleans(), max_size=100))
def test_an_engine_that_makes_a_step_or_that_nobody_waits_for_is_not_stuck(steps: list[bool]) -> None:
    watch, made = ProgressWatch(2.0), 0
    for step in steps:
        made += step
        assert watch.look(made, waiting=0 if not step else 1) is None
    assert looks_until_stuck(watch, made, waiting=1) >= 20
