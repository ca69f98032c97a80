"""Thoughts before answers: what a prompt asks for, and how an answer with a thought is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from serving.bundled_model import bundled_model
from serving.model import load_tokenizer
from serving.text.thoughts import length_of
from tests.byte_tokenizer import byte_tokenizer
from trajectory.episode import EMPTY_SPAN, Decision, Span, TurnContext

BYTES, BUNDLED = byte_tokenizer(), load_tokenizer(bundled_model())
PLANNER, EXECUTOR = PlannerParser(BYTES, thinks=True), ExecutorParser(BYTES, thinks=True)
THOUGHT = "The mug is gone. switch: no</think>\n"
LATER = TurnContext("find a mug", 2, (), "You see a shelf.", "go to the shelf", 1)
FIRST = replace(LATER, turn=0, subgoal="", subgoal_age=0)


def ids(text: str) -> tuple[int, ...]:
    return tuple(BYTES.encode(text, add_special_tokens=False))


def test_a_prompt_asks_for_a_thought_and_leaves_room_for_it() -> None:
    prompts = {
        think: PlannerPrompt(BYTES, "compact", 2, 4096, max_new_tokens=24, think=think) for think in (0, 50)
    }
    for context in (FIRST, LATER):
        text = BYTES.decode(prompts[50].render(context))
        assert "in one line of at most 50 tokens: <think> ... </think>" in text
        assert text.endswith("<|im_start|>assistant\n<think>")
        assert "<think>" not in BYTES.decode(prompts[0].render(context))
    executor = ExecutorPrompt(BYTES, "compact", 2, 4096, max_new_tokens=24, think=50)
    assert BYTES.decode(executor.render(LATER, [])).endswith("<|im_start|>assistant\n<think>")
    long = replace(LATER, observation="o" * 10_000)
    assert len(PlannerPrompt(BYTES, "compact", 2, 1000, 24, think=500).render(long)) <= 1000 - 524


def test_a_decision_is_read_after_its_thought_and_learns_with_it() -> None:
    switch = ids(f"{THOUGHT}switch: look in the fridge<|im_end|>")
    read = PLANNER.parse(switch, 2, "goal", "before")
    assert (read.decision, read.subgoal, read.valid) == (Decision.SWITCH, "look in the fridge", True)
    decided = len(ids(f"{THOUGHT}switch"))
    assert (read.decision_span, read.subgoal_span) == (Span(0, decided), Span(decided, len(switch)))
    keep = ids(f"{THOUGHT}keep")
    read = PLANNER.parse(keep, 2, "goal", "before")
    assert (read.decision, read.subgoal, read.valid) == (Decision.KEEP, "before", True)
    assert (read.decision_span, read.subgoal_span) == (Span(0, len(keep)), EMPTY_SPAN)


def test_the_first_answer_begins_with_its_decision() -> None:
    first = ids(f"{THOUGHT}switch: go to the shelf<|im_end|>")
    read = PLANNER.parse(first, 0, "goal", "")
    assert (read.subgoal, read.valid, read.subgoal_span) == ("go to the shelf", True, Span(0, len(first)))
    assert read.decision_span == EMPTY_SPAN
    for wrong in ("keep", "go to the shelf", ""):
        read = PLANNER.parse(ids(THOUGHT + wrong), 0, "goal", "")
        assert (read.decision, read.subgoal, read.valid) == (Decision.SWITCH, "goal", False)


def test_an_action_is_read_after_its_thought() -> None:
    answer = ids(f"{THOUGHT}take mug 1<|im_end|>")
    read = EXECUTOR.parse(answer)
    assert (read.action, read.valid, read.action_span) == ("take mug 1", True, Span(0, len(answer)))


@pytest.mark.parametrize("text", ["take mug 1", "a thought without an end", "ended<|im_end|>", ""])
def test_a_thought_alone_is_no_answer(text: str) -> None:
    assert not EXECUTOR.parse(ids(text)).valid
    read = PLANNER.parse(ids(text), 2, "goal", "before")
    assert (read.decision, read.subgoal, read.valid) == (Decision.KEEP, "before", False)


@pytest.mark.parametrize("tokenizer", [BYTES, BUNDLED], ids=["bytes", "bundled"])
def test_demonstrations_have_an_empty_thought(tokenizer: object) -> None:
    planner, executor = PlannerParser(tokenizer, thinks=True), ExecutorParser(tokenizer, thinks=True)  # type: ignore[arg-type]
    for turn in (0, 3):
        read = planner.parse(planner.answer_ids(Decision.SWITCH, "go on", turn), turn, "goal", "before")
        assert (read.decision, read.subgoal, read.valid) == (Decision.SWITCH, "go on", True)
    keep = planner.answer_ids(Decision.KEEP, "", 3)
    assert keep[-len(planner.keep_ids) :] == planner.keep_ids
    read = planner.parse(keep, 3, "goal", "before")
    assert (read.decision, read.subgoal, read.valid) == (Decision.KEEP, "before", True)
    assert executor.parse(executor.answer_ids("look")).action == "look"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(BYTES) - 1), max_size=30), st.integers(0, 2))
def test_every_sequence_of_tokens_has_a_reading(tokens: list[int], turn: int) -> None:
    read = PLANNER.parse(tokens, turn, "goal", "before" if turn else "")
    assert read.subgoal and read.decision_span.end <= len(tokens) >= read.subgoal_span.end
    assert EXECUTOR.parse(tokens).action_span == Span(0, len(tokens))
    assert 0 <= length_of(tokens, PLANNER.stop_ids) <= len(tokens)
