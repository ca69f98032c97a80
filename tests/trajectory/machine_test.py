"""The episode state machine, by property and by hand."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PreconditionError
from tests.play.answers import act, keep, switch
from trajectory.episode import Decision, EpisodeKey, PastTurn
from trajectory.machine import Assignment, Finished, Planning, StepOutcome, begin
from trajectory.validation import check
from trajectory.wire import episode_from_pb, episode_to_pb


@dataclass(frozen=True)
class ScriptedTurn:
    switches: bool
    reward: float
    seconds: float


def assignment(history: int = 2) -> Assignment:
    return Assignment(
        key=EpisodeKey("run", "task", 7, 0),
        number=3,
        group=1,
        lease_id="3.0",
        benchmark="alfworld",
        task_type="pick",
        history=history,
    )


def outcome(turn: int, terminated: bool = False, truncated: bool = False, reward: float = 0.0) -> StepOutcome:
    return StepOutcome(
        f"observation {turn + 1}", reward, terminated, truncated, terminated, float(terminated), 0.25
    )


TURNS = st.lists(
    st.builds(ScriptedTurn, st.booleans(), st.floats(-1, 1, width=32), st.floats(0, 10)),
    min_size=1,
    max_size=12,
)


def play(script: list[ScriptedTurn], history: int, terminated: bool, truncated: bool) -> Finished:
    """Follows the script, checking what the models are told at each turn against a plain recomputation."""
    state: Planning | Finished = begin(assignment(history), "goal", "observation 0")
    subgoal, age = "", 0
    for turn, step in enumerate(script):
        assert isinstance(state, Planning)
        context = state.context
        assert (context.turn, context.observation) == (turn, f"observation {turn}")
        assert (context.subgoal, context.subgoal_age) == (subgoal, age)
        first = max(0, turn - history)
        assert context.history == tuple(
            PastTurn(f"observation {t}", f"action {t}") for t in range(first, turn)
        )
        if turn == 0 or step.switches:
            subgoal, age = f"subgoal {turn}", 0
            acting = state.planned(switch(subgoal))
        else:
            acting = state.planned(keep(subgoal))
        assert (acting.context.subgoal, acting.context.subgoal_age) == (subgoal, age)
        stepping = acting.acted(act(f"action {turn}"))
        assert stepping.action == f"action {turn}"
        last = turn == len(script) - 1
        state = stepping.stepped(
            outcome(turn, terminated and last, truncated and last, step.reward), step.seconds
        )
        age += 1
    assert isinstance(state, Finished)
    return state


@settings(deadline=None, max_examples=60)
@given(TURNS, st.integers(0, 4), st.sampled_from([(True, False), (False, True), (True, True)]))
def test_every_script_gives_a_whole_episode(
    script: list[ScriptedTurn], history: int, ending: tuple[bool, bool]
) -> None:
    terminated, truncated = ending
    episode = play(script, history, terminated, truncated).episode(seconds=9.0)
    assert [turn.reward for turn in episode.turns] == [step.reward for step in script]
    assert [turn.seconds for turn in episode.turns] == [step.seconds for step in script]
    assert [turn.observation for turn in episode.turns] == [f"observation {t}" for t in range(len(script))]
    decisions = [turn.plan.decision is Decision.SWITCH for turn in episode.turns]
    assert decisions == [t == 0 or step.switches for t, step in enumerate(script)]
    assert episode.final_observation == f"observation {len(script)}"
    assert episode.terminated == terminated
    assert episode.truncated != terminated
    assert episode.won == terminated


@settings(deadline=None, max_examples=20)
@given(TURNS, st.booleans())
def test_what_is_produced_passes_the_learners_check_and_survives_the_wire(
    script: list[ScriptedTurn], terminated: bool
) -> None:
    episode = play(script, 2, terminated, not terminated).episode(seconds=1.0)
    message = episode_to_pb(episode)
    check(message, 1000)
    assert episode_from_pb(message) == episode


def test_a_step_leaves_earlier_states_as_they_were() -> None:
    first = begin(assignment(), "goal", "observation 0")
    first.planned(switch("find a mug")).acted(act("look")).stepped(outcome(0), 1.0)
    assert first.context.turn == 0
    assert first.progress.turns == ()


def test_final_prompts_are_kept() -> None:
    ended = play([ScriptedTurn(False, 0.0, 1.0)], 2, False, True)
    assert ended.context.turn == 1
    assert ended.context.subgoal == "subgoal 0"
    episode = ended.episode(2.0, (1, 2), (3,))
    assert episode.final_planner_prompt_ids == (1, 2)
    assert episode.final_executor_prompt_ids == (3,)


def test_nothing_can_be_kept_at_the_first_turn() -> None:
    with pytest.raises(PreconditionError, match="kept the subgoal 'find a mug' at turn 0 of episode 3"):
        begin(assignment(), "goal", "room").planned(keep("find a mug"))


def test_a_kept_subgoal_cannot_change() -> None:
    after = begin(assignment(), "goal", "room").planned(switch("find a mug")).acted(act("look"))
    second = after.stepped(outcome(0), 1.0)
    assert isinstance(second, Planning)
    with pytest.raises(PreconditionError, match="'find a cup'.*but the one in force is 'find a mug'"):
        second.planned(keep("find a cup"))


def test_a_switch_needs_a_subgoal() -> None:
    with pytest.raises(PreconditionError, match="no subgoal at turn 0"):
        begin(assignment(), "goal", "room").planned(switch(""))
