"""How a conversation is answered: what planner and executor are asked, turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.seeds import derive
from environments.telling import Telling
from orchestrator.endpoint.agent import Answer
from orchestrator.endpoint.conversation import Conversation, EarlierTurn
from tests.orchestrator.endpoint.models import Pair
from trajectory.episode import AdmissibleAction, Decision, PastTurn, Told


class Short(Telling):
    def told(self, before: str, observation: str, goal: str) -> str:
        return f"{before[:1]}>{observation[:1]}"

    def hidden(self, action: str) -> bool:
        return action == "help"

    def follows(self, action: str) -> bool:
        return action.startswith("go")


def answer(pair: Pair, turns: Sequence[EarlierTurn], actions: Sequence[str] = (), history: int = 2) -> Answer:
    agent = pair.agent(Short(), history)
    return asyncio.run(agent.answer("name", Conversation("win", tuple(turns), "hall"), actions, seed=5))


def test_the_first_turn_is_planned_and_then_acted_on() -> None:
    pair = Pair("find the door")
    given = answer(pair, [], ["go north", "help", "look"])
    assert given == Answer("do find the door", "find the door", Decision.SWITCH, False, 30, 5)
    (planned,), ((acted, actions),) = pair.planned, pair.acted
    assert (planned.goal, planned.turn, planned.history, planned.observation) == ("win", 0, (), "hall")
    assert (planned.subgoal, planned.told) == ("", Told(">h", ">h"))
    assert (acted.subgoal, acted.subgoal_age) == ("find the door", 0)
    assert actions == (AdmissibleAction("go north", follows=True), AdmissibleAction("look"))
    assert pair.seeds == [derive(5, "planner", 0), derive(5, "executor", 0)]


def test_subgoals_that_come_back_are_not_planned_again() -> None:
    pair = Pair("")
    turns = [
        EarlierTurn("room", "go", "a", Decision.SWITCH),
        EarlierTurn("yard", "go", "b"),
        EarlierTurn("shed", "go", "b"),
    ]
    given = answer(pair, turns)
    assert (given.subgoal, given.decision, given.prompt_tokens) == ("b", Decision.KEEP, 30)
    (planned,) = pair.planned
    assert (planned.turn, planned.subgoal, planned.subgoal_age) == (3, "b", 2)
    assert planned.history == (
        PastTurn("yard", "go", Told(">y", "r>y")),
        PastTurn("shed", "go", Told(">s", "y>s")),
    )
    assert pair.acted[0][0].subgoal_age == 2


def test_a_switch_to_the_same_subgoal_begins_anew() -> None:
    pair = Pair("")
    answer(pair, [EarlierTurn("room", "go", "a"), EarlierTurn("yard", "go", "a", Decision.SWITCH)])
    assert pair.planned[0].subgoal_age == 1


def test_missing_subgoals_are_planned_again_with_the_same_seeds() -> None:
    told = Pair("a", "", "c")
    turns = [EarlierTurn("room", "go"), EarlierTurn("yard", "look")]
    given = answer(told, turns)
    assert (given.subgoal, given.action) == ("c", "do c")
    assert [(one.turn, one.subgoal, one.subgoal_age) for one in told.planned] == [
        (0, "", 0),
        (1, "a", 1),
        (2, "a", 2),
    ]
    assert told.seeds[:3] == [derive(5, "planner", turn) for turn in range(3)]
    # Three plans and an act.
    assert (given.prompt_tokens, given.completion_tokens) == (50, 9)


def test_no_history_is_shown_where_none_is_wanted() -> None:
    pair = Pair("")
    answer(pair, [EarlierTurn("room", "go", "a")], history=0)
    assert pair.planned[0].history == () and pair.planned[0].turn == 1


def test_an_action_that_was_cut_off_says_so() -> None:
    assert answer(Pair("a", cut=True), []).cut
