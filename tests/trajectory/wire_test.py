"""What the models are told, over the wire and back."""

from __future__ import annotations

import pytest
from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError
from trajectory.episode import AdmissibleAction, PastTurn, Told, TurnContext
from trajectory.wire import actions_from_pb, context_from_pb, context_to_pb, told_actions_to_pb

CONTEXT = TurnContext(
    goal="win",
    turn=2,
    history=(
        PastTurn("You see a room.", "look", Told("a room", "a room")),
        PastTurn("You see a room.", "go", Told("a room", "the same")),
        PastTurn("You see a hall.", "go"),
    ),
    observation="You see nothing.",
    subgoal="find it",
    subgoal_age=1,
    told=Told("nothing", ""),
)
ACTIONS = (AdmissibleAction("look", follows=True), AdmissibleAction("go to bed 1", place="bed 1"))


def test_a_context_survives() -> None:
    message = pb.TurnContext.FromString(context_to_pb(CONTEXT).SerializeToString())
    assert context_from_pb(message) == CONTEXT


def test_a_peer_that_does_not_say_how_things_are_told_has_them_told_unchanged() -> None:
    old = pb.TurnContext(goal="g", observation="o", history=[pb.PastTurn(observation="p", action="a")])
    read = context_from_pb(old)
    assert (read.told, read.history) == (None, (PastTurn("p", "a"),))
    assert actions_from_pb(["look"], []) == (AdmissibleAction("look"),)


def test_actions_survive_and_must_fit() -> None:
    texts, told = [action.text for action in ACTIONS], told_actions_to_pb(ACTIONS)
    assert actions_from_pb(texts, told) == ACTIONS
    with pytest.raises(InvalidInputError, match="told_actions: 2 for 3 admissible_actions"):
        actions_from_pb([*texts, "look"], told)
