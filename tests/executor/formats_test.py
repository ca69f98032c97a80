"""The executor's prompts, compared whole with prompts that were written by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.servers import PromptFormat
from core.text import one_line
from executor.parser import ACTION_LIMIT, ExecutorParser
from executor.prompt import ExecutorPrompt
from planner.prompt import PlannerPrompt
from serving.model import load_tokenizer, resolve_model
from trajectory.episode import AdmissibleAction, PastTurn, Told, TurnContext

TOKENIZER = load_tokenizer(resolve_model("bundled").path)
PARSER = ExecutorParser(TOKENIZER)

CONTEXT = TurnContext(
    goal="put a mug in the sink",
    turn=2,
    history=(
        PastTurn("You see a shelf 1.", "go to shelf 1", Told("room: shelf 1", "shelf 1")),
        PastTurn("On it is\na mug 1.", "take mug 1 from shelf 1", Told("mug 1 (on shelf 1)", "mug 1")),
    ),
    observation="You have\nthe mug 1.",
    subgoal="put the mug 1 in the\nsink 1",
    subgoal_age=3,
    told=Told("holding mug 1", "taken"),
)
ACTIONS = (
    AdmissibleAction("go to shelf 1", follows=True, place="shelf 1"),
    AdmissibleAction("go to sink 1", follows=True, place="sink 1"),
    AdmissibleAction("go to bed 1", follows=True, place="bed 1"),
    AdmissibleAction("use <|im_end|> lamp 1"),
    AdmissibleAction("look"),
)
TOLD = [
    "Task: put a mug in the sink",
    "room: shelf 1",
    ">go to shelf 1",
    "mug 1",
    ">take mug 1 from shelf 1",
    "taken",
]


def message(
    format: PromptFormat, actions: tuple[AdmissibleAction, ...] = ACTIONS, context: TurnContext = CONTEXT
) -> str:
    """The user's message, without the instructions before it and the beginning of the answer after it."""
    text = TOKENIZER.decode(ExecutorPrompt(TOKENIZER, format, 64, 4096).render(context, actions))
    end = "<|im_end|>\n<|im_start|>assistant\n"
    assert text.endswith(end)
    return text.removesuffix(end).partition("<|im_start|>user\n")[2]


def test_compact() -> None:
    before = [
        "Task: put a mug in the sink",
        "Before: You see a shelf 1.",
        "Did: go to shelf 1",
        "Before: On it is a mug 1.",
        "Did: take mug 1 from shelf 1",
        "Now: You have the mug 1.",
    ]
    listed = ["Actions:", "go to shelf 1", "go to sink 1", "go to bed 1", "use lamp 1", "look"]
    subgoal = "Subgoal: put the mug 1 in the sink 1"
    assert message("compact") == "\n".join([*before, *listed, subgoal])
    assert message("compact", ()) == "\n".join([*before, subgoal])


def test_compact_cuts_the_middle_of_earlier_observations_to_80_characters() -> None:
    seen = "a" * 50 + "b" * 50
    context = replace(CONTEXT, history=(PastTurn(seen, "look"),), observation=seen)
    lines = message("compact", (), context).splitlines()
    # 75 characters are left beside the mark: 38 at the beginning, 37 at the end.
    assert lines[1] == "Before: " + "a" * 38 + " ... " + "b" * 37
    assert lines[3] == "Now: " + seen


def test_paper() -> None:
    before = [
        "Your task is to: put a mug in the sink",
        "Prior to this step, you have already taken 2 step(s). Below are the most recent 2 observations and "
        "the corresponding actions you took:",
        "[Observation 1: 'You see a shelf 1.'",
        "Action 1: 'go to shelf 1']",
        "[Observation 2: 'On it is",
        "a mug 1.'",
        "Action 2: 'take mug 1 from shelf 1']",
        "You are now at step 3 and your current observation is:",
        "You have",
        "the mug 1.",
    ]
    listed = [
        "Your admissible actions of the current situation are:",
        "['go to shelf 1'",
        "'go to sink 1'",
        "'go to bed 1'",
        "'use lamp 1'",
        "'look']",
    ]
    after = [
        "Your current subgoal is: put the mug 1 in the sink 1",
        "You have followed it for 3 step(s).",
        "Now it's your turn to take an action.",
    ]
    assert message("paper") == "\n".join([*before, *listed, *after])
    assert message("paper", ()) == "\n".join([*before, *after])


def test_paper_at_the_first_turn_has_no_earlier_steps() -> None:
    first = replace(CONTEXT, turn=0, history=(), subgoal_age=0)
    assert message("paper", (), first).splitlines()[1] == (
        "You are now at step 1 and your current observation is:"
    )


def test_transcript_lists_only_actions_that_do_not_follow_from_it() -> None:
    after = ["Subgoal: put the mug 1 in the sink 1", "Action?"]
    assert message("transcript") == "\n".join([*TOLD, "Here: use lamp 1 / look", *after])
    assert message("transcript", ACTIONS[:3]) == "\n".join([*TOLD, *after])


def test_nano_names_the_places_that_no_shown_action_went_to() -> None:
    subgoal = "Subgoal: put the mug 1 in the sink 1"
    assert message("nano") == "\n".join([*TOLD, "New: sink 1, bed 1.", subgoal])
    assert message("nano", (ACTIONS[0], *ACTIONS[3:])) == "\n".join([*TOLD, "New: nothing.", subgoal])


FORMATS: tuple[PromptFormat, ...] = ("compact", "nano", "paper", "transcript")


@pytest.mark.parametrize("format", FORMATS)
def test_where_no_actions_are_listed_none_are_asked_for_and_answers_are_read(format: PromptFormat) -> None:
    prompt = ExecutorPrompt(TOKENIZER, format, 64, 4096)
    text = TOKENIZER.decode(prompt.render(CONTEXT, ()))
    assert not re.search("admissible|one of the actions|word for word|Actions:|Here:|New:", text)
    assert "put the mug 1 in the sink 1" in text
    subgoal = "Subgoal: put the mug 1 in the sink 1"
    if format == "nano":
        assert message("nano", ()) == "\n".join([*TOLD, subgoal])
    if format == "transcript":
        assert message("transcript", ()) == "\n".join([*TOLD, subgoal, "Action?"])
    assert PARSER.parse(PARSER.answer_ids("[guess] 42")).action == "[guess] 42"


def test_planner_and_executor_share_the_instructions_of_transcripts() -> None:
    for format in ("transcript", "nano"):
        plan = PlannerPrompt(TOKENIZER, format, 64, 4096).render(CONTEXT)
        act = ExecutorPrompt(TOKENIZER, format, 64, 4096).render(CONTEXT, ACTIONS)
        shared = TOKENIZER.decode([a for a, b in zip(plan, act, strict=False) if a == b])
        assert "\n".join(TOLD) in shared


@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_an_answer_for_a_demonstration_is_read_as_its_action(action: str) -> None:
    ids = PARSER.answer_ids(action)
    read = PARSER.parse(ids)
    assert read.action == one_line(action)[:ACTION_LIMIT].strip()
    assert read.valid == bool(read.action)
    assert ids[-1] in PARSER.stop_ids and not PARSER.stop_ids.intersection(ids[:-1])
    assert PARSER.answer_ids(read.action) == ids


def test_an_answer_for_a_demonstration_is_no_longer_than_what_is_read_of_it() -> None:
    ids = PARSER.answer_ids("search[" + "red shoes " * 40 + "]")
    assert PARSER.parse(ids).action == ("search[" + "red shoes " * 40)[:ACTION_LIMIT].strip()
    assert PARSER.answer_ids(PARSER.parse(ids).action) == ids


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\n", "\u2028", "\x85"])
def test_every_kind_of_line_break_ends_an_action(end: str) -> None:
    assert PARSER.parse(TOKENIZER.encode(f"look{end}go to bed 1")).action == "look"
