"""Running sums, on a clock that is set by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.progress.tally import Tally
from tests.orchestrator.progress.moments import Clock, episode, status, turn
from trajectory.learner_status import Phase


def test_nothing_has_happened_at_the_beginning() -> None:
    clock = Clock()
    tally = Tally(clock)
    assert (tally.seconds, tally.playing_seconds, tally.seconds_left) == (0, 0, None)
    assert (tally.episodes, tally.wins, tally.turns, tally.tokens) == (0, 0, 0, 0)
    assert tally.planner_version is tally.executor_version is tally.status is None
    clock.now += 7
    assert tally.seconds == 7


def test_turns_are_summed_and_versions_are_those_of_the_last() -> None:
    tally = Tally(Clock())
    tally.turn(turn(first=True, planner=1, executor=1))
    tally.turn(turn(first=False, planner=3, executor=2))
    # A new subgoal has 3 tokens, a kept one has 1; an action has 2.
    assert (tally.turns, tally.tokens) == (2, 5 + 3)
    assert (tally.turn_seconds, tally.engine_seconds, tally.environment_seconds) == (4.0, 2.0, 1.0)
    assert (tally.planner_version, tally.executor_version) == (3, 2)


def test_episodes_and_wins() -> None:
    tally = Tally(Clock())
    for number, won in enumerate((True, False, True)):
        tally.episode(episode(number, won=won))
    assert (tally.episodes, tally.wins) == (3, 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
def test_time_counts_while_any_episode_is_played(events: list[tuple[bool, int]]) -> None:
    """Against a plain recomputation: seconds of the intervals in which at least one was being played."""
    clock, playing, expected = Clock(), 0, 0
    tally = Tally(clock)
    for begins, seconds in events:
        if begins:
            tally.episode_began()
            playing += 1
        elif playing:
            tally.episode_left()
            playing -= 1
        clock.now += seconds
        expected += seconds if playing else 0
        assert tally.playing_seconds == expected


def test_the_pace_is_that_of_the_updates_seen_here() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.learner(status(Phase.GATHERING, version=5, done=5, total=10))
    assert tally.seconds_left is None, "no update was seen from its beginning to its end"
    clock.now += 30
    tally.learner(status(Phase.UPDATING, version=5, done=5, total=10))
    clock.now += 10
    tally.learner(status(Phase.GATHERING, version=6, done=6, total=10))
    assert tally.seconds_left == pytest.approx(4 * 40)
    clock.now += 15
    tally.learner(status(Phase.GATHERING, version=6, done=6, total=10))
    assert tally.seconds_left == pytest.approx(4 * 40 - 15)


def test_two_updates_between_two_looks_count_as_two() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.learner(status(done=0))
    clock.now += 60
    tally.learner(status(version=2, done=2))
    assert tally.seconds_left == pytest.approx(2 * 30)


def test_the_time_left_does_not_become_negative() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.learner(status(done=0))
    clock.now += 10
    tally.learner(status(version=3, done=3))
    clock.now += 1000
    assert tally.seconds_left == 0.0


@pytest.mark.parametrize(
    "early", [status(Phase.STARTING), status(Phase.UNKNOWN), status(Phase.PUBLISHING, version=-1)]
)
def test_time_before_the_first_adapters_is_not_part_of_the_pace(early: object) -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.learner(early)  # type: ignore[arg-type]
    clock.now += 1000
    tally.learner(status(done=0))
    clock.now += 10
    tally.learner(status(version=1, done=1))
    assert tally.seconds_left == pytest.approx(3 * 10)


def test_metrics_are_kept_by_the_version_that_the_update_made() -> None:
    tally = Tally(Clock())
    tally.learner(status())
    assert tally.metrics == {}
    tally.learner(status(version=1, adapter__version=1.0, episode__count=8.0))
    tally.learner(status(version=2, adapter__version=2.0, episode__count=4.0))
    tally.learner(status(version=2, adapter__version=2.0, episode__count=4.0))
    assert tally.metrics == {
        1: {"adapter/version": 1.0, "episode/count": 8.0},
        2: {"adapter/version": 2.0, "episode/count": 4.0},
    }
    assert tally.status is not None and tally.status.version == 2
