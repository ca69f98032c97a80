"""Goals in words: every wording, by hand, and what is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.alfworld.goal_text import read_goal, word_goal
from environments.alfworld.goals import Goal
from environments.alfworld.task_types import TaskType

TYPES = st.from_regex(r"[a-z]+", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "task_type"),
    [
        ("put a mug in desk", TaskType.PICK),
        ("put some mug on desk", TaskType.PICK),
        ("put a clean mug in desk", TaskType.CLEAN),
        ("clean some mug and put it in desk", TaskType.CLEAN),
        ("put a hot mug in desk", TaskType.HEAT),
        ("heat some mug and put it in desk", TaskType.HEAT),
        ("put a cool mug in desk", TaskType.COOL),
        ("cool some mug and put it in desk", TaskType.COOL),
        ("put two mug in desk", TaskType.TWO),
        ("find two mug and put them in desk", TaskType.TWO),
        ("look at mug under the desk", TaskType.LOOK),
        ("examine the mug with the desk", TaskType.LOOK),
    ],
)
def test_each_wording(text: str, task_type: TaskType) -> None:
    goal = Goal(task_type, "mug", "desk")
    assert read_goal(text) == read_goal(f" {text}.\n") == goal
    assert text in (word_goal(goal, 0), word_goal(goal, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "put a mug in desk lamp",
        "put a mug in",
        "put a mug in desk..",
        "Put a mug in desk",
        "please put a mug in desk",
        "put a mug in desk. put a pen in desk",
        "put a lukewarm mug in desk",
    ],
)
def test_anything_else_is_not_a_goal(text: str) -> None:
    assert read_goal(text) is None


@given(st.sampled_from(TaskType), TYPES, TYPES, st.sampled_from((0, 1)))
def test_any_types_are_read_back(task_type: TaskType, thing: str, place: str, wording: int) -> None:
    goal = Goal(task_type, thing, place)
    assert read_goal(word_goal(goal, wording)) == goal


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    goal = read_goal(text)
    assert goal is None or goal.object_type in text
