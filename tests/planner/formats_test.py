"""The planner's prompts, compared whole with prompts that were written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.servers import PromptFormat
from core.text import one_line
from planner.parser import SUBGOAL_LIMIT, PlannerParser
from planner.prompt import PlannerPrompt
from serving.model import load_tokenizer, resolve_model
from trajectory.episode import Decision, PastTurn, Span, Told, TurnContext

TOKENIZER = load_tokenizer(resolve_model("bundled").path)
PARSER = PlannerParser(TOKENIZER)

FIRST = TurnContext(
    goal="put a mug\n in the sink",
    turn=0,
    history=(),
    observation="You are in a room.\nYou see a shelf 1. ",
    subgoal="",
    subgoal_age=0,
    told=Told("a room: shelf 1", "a room: shelf 1"),
)
LATER = TurnContext(
    goal="put a mug in the sink",
    turn=5,
    history=(
        PastTurn("You see a shelf 1.", "go to  shelf 1", Told("room: shelf 1", "shelf 1")),
        PastTurn("On it is\na mug 1.", "take mug 1 from shelf 1", Told("mug 1 (on shelf 1)", "mug 1")),
        PastTurn("You have the mug 1.", "go to sink 1"),
    ),
    observation="The sink 1 is <|im_end|>\nempty.",
    subgoal="put the mug 1 in the sink 1",
    subgoal_age=2,
    told=Told("sink 1: nothing", "nothing"),
)


def message(format: PromptFormat, context: TurnContext, history: int = 64) -> str:
    """The user's message, without the instructions before it and the beginning of the answer after it."""
    text = TOKENIZER.decode(PlannerPrompt(TOKENIZER, format, history, 4096).render(context))
    end = "<|im_end|>\n<|im_start|>assistant\n" + ("switch:" if context.turn == 0 else "")
    assert text.endswith(end)
    return text.removesuffix(end).partition("<|im_start|>user\n")[2]


def instructions(format: PromptFormat) -> str:
    text = TOKENIZER.decode(PlannerPrompt(TOKENIZER, format, 2, 4096).render(LATER))
    return text.removeprefix("<|im_start|>system\n").partition("<|im_end|>")[0]


def test_compact() -> None:
    assert message("compact", FIRST) == "\n".join(
        ["Task: put a mug in the sink", "Now: You are in a room. You see a shelf 1."]
    )
    assert message("compact", LATER, history=2) == "\n".join(
        [
            "Task: put a mug in the sink",
            "Before: On it is a mug 1.",
            "Did: take mug 1 from shelf 1",
            "Before: You have the mug 1.",
            "Did: go to sink 1",
            "Now: The sink 1 is empty.",
            "Subgoal: put the mug 1 in the sink 1 (for 2 turns)",
        ]
    )


def test_compact_cuts_the_middle_of_earlier_observations_to_160_characters() -> None:
    seen = "a" * 100 + "b" * 100
    context = replace(LATER, history=(PastTurn(seen, "look"),), observation=seen)
    lines = message("compact", context).splitlines()
    # 155 characters are left beside the mark: 78 at the beginning, 77 at the end.
    assert lines[1] == "Before: " + "a" * 78 + " ... " + "b" * 77
    assert lines[3] == "Now: " + seen


def test_paper() -> None:
    assert message("paper", FIRST) == "\n".join(
        [
            "Your task is to: put a mug in the sink",
            "The agent is now at step 1 and the current observation is:",
            "You are in a room.",
            "You see a shelf 1.",
            "There is no subgoal yet. Name the first one.",
        ]
    )
    # Turn 5 with three turns of history: these are turns 2, 3 and 4, called steps 3, 4 and 5.
    assert message("paper", LATER) == "\n".join(
        [
            "Your task is to: put a mug in the sink",
            "Prior to this step, 5 step(s) have been taken. Below are the most recent 3 observations and the "
            "corresponding actions:",
            "[Observation 3: 'You see a shelf 1.'",
            "Action 3: 'go to shelf 1']",
            "[Observation 4: 'On it is",
            "a mug 1.'",
            "Action 4: 'take mug 1 from shelf 1']",
            "[Observation 5: 'You have the mug 1.'",
            "Action 5: 'go to sink 1']",
            "The agent is now at step 6 and the current observation is:",
            "The sink 1 is  ",
            "empty.",
            "The current subgoal is: put the mug 1 in the sink 1",
            "It has been followed for 2 step(s).",
            "Keep it, or switch to a new one?",
        ]
    )


def test_paper_counts_the_steps_of_a_shorter_history_from_its_own_first() -> None:
    lines = message("paper", LATER, history=1).splitlines()
    assert "Below are the most recent 1 observations" in lines[1]
    assert lines[2:4] == ["[Observation 5: 'You have the mug 1.'", "Action 5: 'go to sink 1']"]


def test_transcript_and_nano_show_the_first_turn_alone_and_the_others_after_it() -> None:
    told = [
        "Task: put a mug in the sink",
        "room: shelf 1",
        ">go to shelf 1",
        "mug 1",
        ">take mug 1 from shelf 1",
        "You have the mug 1.",
        ">go to sink 1",
        "nothing",
    ]
    subgoal = "put the mug 1 in the sink 1"
    assert message("transcript", LATER) == "\n".join([*told, f"Subgoal for 2 turns: {subgoal}", "Plan?"])
    assert message("nano", LATER) == "\n".join([*told, f"Subgoal 2: {subgoal}"])
    first = ["Task: put a mug in the sink", "a room: shelf 1"]
    assert message("transcript", FIRST) == "\n".join([*first, "Plan?"])
    assert message("nano", FIRST) == "\n".join(first)


def test_a_shorter_transcript_begins_with_a_turn_told_alone() -> None:
    assert message("nano", LATER, history=2).splitlines()[1] == "mug 1 (on shelf 1)"
    assert message("nano", LATER, history=0).splitlines()[1] == "sink 1: nothing"


@pytest.mark.parametrize("format", ["transcript", "nano"])
def test_a_prompt_of_a_transcript_continues_the_one_before(format: PromptFormat) -> None:
    before = replace(
        LATER, history=LATER.history[:-1], observation=LATER.history[-1].observation, told=None, turn=4
    )
    shown = message(format, before).splitlines()
    seen = shown[: shown.index("You have the mug 1.") + 1]
    assert message(format, LATER).splitlines()[: len(seen)] == seen


def test_instructions_name_both_answers_except_for_models_taught_from_scratch() -> None:
    for format in ("compact", "paper", "transcript"):
        assert "keep" in instructions(format) and "switch: " in instructions(format)
    assert instructions("nano") == "Text game."


SUBGOALS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(deadline=None, max_examples=150)
@given(SUBGOALS, st.sampled_from(Decision), st.integers(0, 3))
def test_an_answer_for_a_demonstration_is_read_as_its_plan(
    subgoal: str, decision: Decision, turn: int
) -> None:
    plan = PARSER.parse(PARSER.answer_ids(decision, subgoal, turn), turn, "the goal", "the old subgoal")
    named = one_line(subgoal)[:SUBGOAL_LIMIT].strip()
    if decision is Decision.KEEP and turn > 0:
        assert (plan.decision, plan.subgoal, plan.valid) == (Decision.KEEP, "the old subgoal", True)
    elif named:
        assert (plan.decision, plan.subgoal, plan.valid) == (Decision.SWITCH, named, True)
    else:
        assert (plan.subgoal, plan.valid) == ("the goal" if turn == 0 else "the old subgoal", False)


@settings(deadline=None, max_examples=100)
@given(SUBGOALS, st.integers(0, 3))
def test_an_answer_made_from_what_was_read_is_the_same_answer(subgoal: str, turn: int) -> None:
    ids = PARSER.answer_ids(Decision.SWITCH, subgoal, turn)
    plan = PARSER.parse(ids, turn, "the goal", "the old subgoal")
    if plan.valid:
        assert PARSER.answer_ids(plan.decision, plan.subgoal, turn) == ids


@pytest.mark.parametrize(
    ("answer", "decision", "subgoal"),
    [
        ("SWITCH : find a mug", Span(0, 3), "find a mug"),
        ("  switch:find a mug", Span(0, 2), "find a mug"),
        ("switch: keep", Span(0, 1), "keep"),
        ("switch: <|im_start|>find it", Span(0, 1), "find it"),
    ],
)
def test_the_decision_of_a_switch_ends_with_its_word(answer: str, decision: Span, subgoal: str) -> None:
    ids = TOKENIZER.encode(answer)
    plan = PARSER.parse(ids, 1, "goal", "old")
    assert (plan.decision_span, plan.subgoal_span) == (decision, Span(decision.end, len(ids)))
    assert (plan.decision, plan.subgoal) == (Decision.SWITCH, subgoal)
    assert TOKENIZER.decode(ids[: decision.end]).strip().lower() == "switch"
