"""What can be read off an episode, and values that no turn may have."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hiper.v1 import episode_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from tests.learner.service.episodes import episode as message
from tests.play.answers import act, generation, keep, switch
from trajectory.episode import EMPTY_SPAN, Decision, Span, Turn
from trajectory.validation import EpisodeError, check
from trajectory.wire import (
    decision_from_pb,
    decision_to_pb,
    episode_from_pb,
    episode_to_pb,
    generation_from_pb,
    generation_to_pb,
    span_from_pb,
    span_to_pb,
)

EPISODE = episode_from_pb(message())


def test_spans_have_a_length() -> None:
    assert (len(Span(2, 5)), len(EMPTY_SPAN)) == (3, 0)


def test_versions_are_those_of_all_answers() -> None:
    turns = (
        Turn("room", switch("a", version=1), act("look", version=2), 0.0, 0.0, 0.0),
        Turn("room", keep("a", version=3), act("look", version=2), 0.0, 0.0, 0.0),
    )
    assert replace(EPISODE, turns=turns).versions == {1, 2, 3}


@pytest.mark.parametrize(
    ("won", "terminated", "ending"),
    [(True, True, "won"), (False, True, "lost"), (False, False, "out of turns")],
)
def test_endings_in_words(won: bool, terminated: bool, ending: str) -> None:
    assert replace(EPISODE, won=won, terminated=terminated, truncated=not terminated).ending == ending


def test_a_decision_of_a_newer_version_keeps_the_subgoal() -> None:
    for decision in Decision:
        assert decision_from_pb(decision_to_pb(decision)) is decision
    assert decision_from_pb(pb.DECISION_UNSPECIFIED) is Decision.KEEP
    assert decision_from_pb(99) is Decision.KEEP  # type: ignore[arg-type]


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_spans_survive_the_wire(begin: int, end: int) -> None:
    assert span_from_pb(span_to_pb(Span(begin, end))) == Span(begin, end)


@given(
    st.lists(st.integers(0, 2**31 - 1)).map(tuple),
    st.lists(st.floats(-1e5, 0, width=32)).map(tuple),
    st.integers(-1, 2**31 - 1),
    st.booleans(),
)
def test_generations_survive_the_wire(
    tokens: tuple[int, ...], logprobs: tuple[float, ...], version: int, limited: bool
) -> None:
    said = replace(
        generation(), token_ids=tokens, logprobs=logprobs, adapter_version=version, length_limited=limited
    )
    sent = pb.Generation.FromString(generation_to_pb(said).SerializeToString())
    assert generation_from_pb(sent) == said


def test_an_episode_survives_serialisation_whole() -> None:
    whole = replace(EPISODE, final_planner_prompt_ids=(1, 2), final_executor_prompt_ids=(3,))
    assert episode_from_pb(pb.Episode.FromString(episode_to_pb(whole).SerializeToString())) == whole


def refused(change: dict[str, object], reason: str, place: str = "") -> None:
    """The message with one field of its second turn, or of a part of it, replaced."""
    changed = message()
    target = getattr(changed.turns[1], place) if place else changed.turns[1]
    for name, value in change.items():
        setattr(target, name, value)
    with pytest.raises(EpisodeError, match=f"^turn 1: .*{reason}"):
        check(changed, 100)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1e6 - 1, "reward"), (1e6 + 1, "reward"), (math.nan, "reward: nan is not finite")],
)
def test_rewards_are_bounded(value: float, reason: str) -> None:
    refused({"reward": value}, reason)


@pytest.mark.parametrize("temperature", [0.0, 0.01, 100.0])
def test_temperatures_at_their_bounds_are_accepted(temperature: float) -> None:
    accepted = message()
    accepted.turns[1].act.temperature = temperature
    check(accepted, 100)


def test_temperatures_beyond_their_bounds_are_refused() -> None:
    refused({"temperature": 101.0}, "act: temperature", "act")
    refused({"temperature": 0.009}, "plan: temperature", "plan")


@pytest.mark.parametrize("logprob", [0.06, -1.1e5, math.nan, math.inf, -math.inf])
def test_a_log_probability_is_at_most_zero_but_for_rounding(logprob: float) -> None:
    changed = message()
    changed.turns[1].act.logprobs[0] = 0.04
    changed.turns[1].act.logprobs[1] = -9.9e4
    check(changed, 100)
    changed.turns[1].act.logprobs[3] = logprob
    with pytest.raises(EpisodeError, match=r"turn 1: act: logprobs\[3\]"):
        check(changed, 100)


@pytest.mark.parametrize("span", ["decision_span", "subgoal_span"])
@pytest.mark.parametrize(("begin", "end"), [(2, 1), (0, 4), (4, 4)])
def test_spans_lie_within_their_answer(span: str, begin: int, end: int) -> None:
    changed = message()
    getattr(changed.turns[1], span).begin, getattr(changed.turns[1], span).end = begin, end
    with pytest.raises(EpisodeError, match=rf"turn 1: {span}: \[{begin}, {end}\) is not within 3 tokens"):
        check(changed, 100)


def test_turn_zero_begins_a_segment() -> None:
    changed = message()
    changed.turns[0].decision = pb.DECISION_KEEP
    with pytest.raises(EpisodeError, match="turn 0: decision: .* must be SWITCH"):
        check(changed, 100)


@pytest.mark.parametrize("field", ["prompt_ids", "token_ids"])
def test_prompts_and_answers_are_not_empty(field: str) -> None:
    changed = message()
    del getattr(changed.turns[2].plan, field)[:]
    with pytest.raises(EpisodeError, match="turn 2: plan: prompt_ids and token_ids must not be empty"):
        check(changed, 100)


@pytest.mark.parametrize("field", ["run_id", "task_id"])
def test_a_key_is_whole(field: str) -> None:
    changed = message()
    setattr(changed.key, field, "")
    with pytest.raises(EpisodeError, match="key: run_id and task_id must not be empty"):
        check(changed, 100)


def test_turns_are_in_order() -> None:
    changed = message()
    changed.turns[2].index = 1
    with pytest.raises(EpisodeError, match="turn 2 is missing: found turn 1 in its place"):
        check(changed, 100)
