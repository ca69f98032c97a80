"""Every value that crosses the wire comes back as it was, and what a newer peer says has a reading."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hiper.v1 import episode_pb2 as pb
from hiper.v1 import learner_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectory.episode import (
    Act,
    AdmissibleAction,
    Decision,
    Episode,
    EpisodeKey,
    Generation,
    PastTurn,
    Plan,
    Span,
    Told,
    Turn,
    TurnContext,
)
from trajectory.learner_status import LearnerStatus, Phase
from trajectory.learner_wire import (
    lease_outcome_from_pb,
    lease_outcome_to_pb,
    status_from_pb,
    status_to_pb,
)
from trajectory.lease import Finished, Lease, Wait
from trajectory.wire import (
    actions_from_pb,
    context_from_pb,
    context_to_pb,
    decision_from_pb,
    episode_from_pb,
    episode_to_pb,
    told_actions_to_pb,
    turn_from_pb,
    turn_to_pb,
)

QUICK = settings(deadline=None, max_examples=60)
TEXT = st.text(max_size=12)
COUNT = st.integers(0, 2**31 - 1)
VERSION = st.integers(-1, 2**31 - 1)
SEED = st.integers(0, 2**64 - 1)
IDS = st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple)
SINGLE = st.floats(width=32, allow_nan=False)
DOUBLE = st.floats(allow_nan=False)
SPAN = st.builds(Span, COUNT, COUNT)
GENERATION = st.builds(
    Generation,
    prompt_ids=IDS,
    token_ids=IDS,
    logprobs=st.lists(SINGLE, max_size=4).map(tuple),
    adapter_version=VERSION,
    temperature=SINGLE,
    length_limited=st.booleans(),
    engine_seconds=SINGLE,
)
PLAN = st.builds(Plan, st.sampled_from(Decision), TEXT, st.booleans(), GENERATION, SPAN, SPAN)
ACT = st.builds(Act, TEXT, st.booleans(), GENERATION, SPAN)
TURN = st.builds(Turn, TEXT, PLAN, ACT, SINGLE, SINGLE, SINGLE)
TOLD = st.none() | st.builds(Told, TEXT, TEXT)
CONTEXT = st.builds(
    TurnContext,
    goal=TEXT,
    turn=COUNT,
    history=st.lists(st.builds(PastTurn, TEXT, TEXT, TOLD), max_size=3).map(tuple),
    observation=TEXT,
    subgoal=TEXT,
    subgoal_age=COUNT,
    told=TOLD,
)
EPISODE = st.builds(
    Episode,
    key=st.builds(EpisodeKey, TEXT, TEXT, SEED, COUNT),
    number=COUNT,
    group=COUNT,
    lease_id=TEXT,
    benchmark=TEXT,
    task_type=TEXT,
    goal=TEXT,
    turns=st.lists(TURN, max_size=2).map(tuple),
    terminated=st.booleans(),
    truncated=st.booleans(),
    won=st.booleans(),
    score=SINGLE,
    final_observation=TEXT,
    final_planner_prompt_ids=IDS,
    final_executor_prompt_ids=IDS,
    seconds=SINGLE,
)
LEASE = st.builds(Lease, TEXT, TEXT, COUNT, COUNT, COUNT, SEED, SEED, VERSION)
STATUS = st.builds(
    LearnerStatus,
    run_id=TEXT,
    phase=st.sampled_from(Phase),
    message=TEXT,
    version=VERSION,
    updates_done=COUNT,
    updates_total=COUNT,
    episodes_stored=COUNT,
    episodes_trained=COUNT,
    leases_open=COUNT,
    progress=SINGLE,
    metrics=st.dictionaries(TEXT, DOUBLE, max_size=3),
)


def sent(message: Any) -> Any:
    """A message after its way through bytes."""
    return type(message).FromString(message.SerializeToString())


@QUICK
@given(EPISODE)
def test_an_episode_comes_back_as_it_was(episode: Episode) -> None:
    assert episode_from_pb(sent(episode_to_pb(episode))) == episode


@QUICK
@given(TURN, COUNT)
def test_a_turn_carries_its_place_in_the_episode(turn: Turn, index: int) -> None:
    message = sent(turn_to_pb(turn, index))
    assert (message.index, turn_from_pb(message)) == (index, turn)


@QUICK
@given(CONTEXT)
def test_a_context_comes_back_as_it_was(context: TurnContext) -> None:
    assert context_from_pb(sent(context_to_pb(context))) == context


@QUICK
@given(st.lists(st.builds(AdmissibleAction, TEXT, st.booleans(), TEXT), max_size=4).map(tuple))
def test_actions_come_back_as_they_were(actions: tuple[AdmissibleAction, ...]) -> None:
    told = [sent(each) for each in told_actions_to_pb(actions)]
    assert actions_from_pb([action.text for action in actions], told) == actions


@QUICK
@given(LEASE | st.just(Finished()))
def test_a_lease_comes_back_as_it_was(outcome: Lease | Finished) -> None:
    assert lease_outcome_from_pb(sent(lease_outcome_to_pb(outcome))) == outcome


@QUICK
@given(TEXT, st.floats(0, 3600))
def test_a_pause_comes_back_to_the_millisecond(reason: str, seconds: float) -> None:
    back = lease_outcome_from_pb(sent(lease_outcome_to_pb(Wait(reason, seconds))))
    assert isinstance(back, Wait) and back.reason == reason
    assert back.seconds == pytest.approx(seconds, abs=0.00051)


@QUICK
@given(STATUS)
def test_a_status_comes_back_as_it_was(status: LearnerStatus) -> None:
    assert status_from_pb(sent(status_to_pb(status))) == status


@pytest.mark.parametrize("number", [0, 1, 3, 99, -1])
def test_a_decision_that_is_not_a_switch_keeps(number: int) -> None:
    switch = number == pb.DECISION_SWITCH
    assert decision_from_pb(number) is (Decision.SWITCH if switch else Decision.KEEP)


def test_every_decision_of_the_wire_but_the_unspecified_one_is_known() -> None:
    named = [number for number in pb.Decision.values() if number != pb.DECISION_UNSPECIFIED]
    assert {decision_from_pb(number) for number in named} == set(Decision)
    assert len(named) == len(Decision)


@pytest.mark.parametrize(
    ("value", "message"),
    [(Episode, pb.Episode), (Generation, pb.Generation), (LearnerStatus, learner_pb2.LearnerStatus)],
)
def test_every_field_of_a_value_has_one_of_the_same_name_on_the_wire(value: type, message: Any) -> None:
    assert {field.name for field in fields(value)} <= set(message.DESCRIPTOR.fields_by_name)


def test_fields_of_a_newer_peer_are_ignored() -> None:
    # Field 200 with the varint 5, which no message has.
    unknown = b"\xc0\x0c\x05"
    old = pb.TurnContext(goal="g", observation="o").SerializeToString()
    assert context_from_pb(pb.TurnContext.FromString(old + unknown)).goal == "g"
    assert episode_from_pb(pb.Episode.FromString(unknown)).turns == ()
