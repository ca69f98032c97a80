"""Goals as PDDL and in words, both ways, and against alfworld's own library."""

from __future__ import annotations

import ast

import pytest

from environments.alfworld.generator.package import package_folder
from environments.alfworld.goal_text import TEMPLATES, read_goal, word_goal
from environments.alfworld.goals import Goal, goal_pddl, parse_goal
from environments.alfworld.task_types import TaskType

EACH_TYPE = pytest.mark.parametrize("task_type", TaskType)


@EACH_TYPE
def test_pddl_is_read_back(task_type: TaskType) -> None:
    goal = Goal(task_type, "soapbar", "desklamp" if task_type is TaskType.LOOK else "toilet")
    place = "DeskLampType" if task_type is TaskType.LOOK else "ToiletType"
    assert parse_goal(goal_pddl(goal, "SoapBarType", place)) == goal


@EACH_TYPE
@pytest.mark.parametrize("wording", [0, 1])
def test_words_are_read_back(task_type: TaskType, wording: int) -> None:
    goal = Goal(task_type, "mug", "desk")
    assert read_goal(word_goal(goal, wording) + ".") == goal


def test_words_of_no_task_are_not_read() -> None:
    assert read_goal("tidy the room.") is None


@pytest.mark.parametrize(
    "text", ["", "(:goal (and (isHot ?o)))", "(:goal (and (exists (?r - receptacle) ())))"]
)
def test_other_goals_are_not_read(text: str) -> None:
    assert parse_goal(text) is None


def test_a_goal_about_two_types_of_place_is_not_read() -> None:
    text = goal_pddl(Goal(TaskType.TWO, "mug", "desk"), "MugType", "DeskType")
    assert parse_goal(text.replace("DeskType", "ShelfType", 1)) is None


@EACH_TYPE
def test_words_and_pddl_are_those_of_alfworlds_goal_library(task_type: TaskType) -> None:
    library = _goal_library()[task_type]
    assert tuple(library["templates"]) == tuple(
        template.replace("{object}", "{obj}").replace(
            "{place}", "{toggle}" if task_type is TaskType.LOOK else "{recep}"
        )
        for template in TEMPLATES[task_type]
    )
    pddl = str(library["pddl"]).replace("#", "-").format(obj="Mug", recep="Desk", toggle="Desk")
    assert parse_goal(pddl) == Goal(task_type, "mug", "desk")


def _goal_library() -> dict[str, dict[str, object]]:
    """The entries of alfworld's `gdict`, read without running the module."""
    module = ast.parse((package_folder() / "gen" / "goal_library.py").read_text())
    return {
        ast.literal_eval(target.slice): ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript)
    }
