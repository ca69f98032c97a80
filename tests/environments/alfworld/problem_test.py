"""Reading the facts of a PDDL problem."""

from __future__ import annotations

import pytest

from environments.alfworld.errors import GameFileError
from environments.alfworld.goals import Goal
from environments.alfworld.problem import parse_problem
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.worlds import kitchen_problem

KITCHEN = kitchen_problem()


def changed(old: str, new: str) -> str:
    assert old in KITCHEN
    return KITCHEN.replace(old, new, 1)


def test_facts_are_in_the_order_of_the_file_and_in_lower_case() -> None:
    problem = parse_problem(KITCHEN, "kitchen")
    assert problem.pairs["receptacleType"][:2] == (
        ("countertop_bar_1", "countertoptype"),
        ("drawer_bar_1", "drawertype"),
    )
    assert problem.pairs["inReceptacleObject"] == (("apple_bar_1", "plate_bar_1"),)
    assert problem.marks["toggleable"] == {"desklamp_bar_1"}
    assert problem.goal == Goal(TaskType.PICK, "mug", "drawer")


def test_predicates_without_a_fact_are_empty() -> None:
    problem = parse_problem(KITCHEN, "kitchen")
    assert problem.marks["opened"] == problem.marks["isHot"] == frozenset()
    assert len(problem.pairs) == 8 and len(problem.marks) == 16


def test_predicates_are_read_in_any_case() -> None:
    problem = parse_problem(changed("(openable Fridge_bar_1)", "(OPENABLE FRIDGE_BAR_1)"), "kitchen")
    assert "fridge_bar_1" in problem.marks["openable"]


def test_repeated_facts_count_once() -> None:
    fact = "(inReceptacle Book_bar_1 Shelf_bar_1)"
    assert parse_problem(changed(fact, f"{fact} {fact}"), "kitchen") == parse_problem(KITCHEN, "kitchen")


def test_comments_and_line_breaks_do_not_count() -> None:
    split = changed("(openable Fridge_bar_1)", "( openable ; (opened Fridge_bar_1)\n  Fridge_bar_1\n)")
    assert parse_problem(split, "kitchen") == parse_problem(KITCHEN, "kitchen")


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ("(opened Fridge_bar_1 Fridge_bar_1)", "(opened fridge_bar_1 fridge_bar_1)"),
        ("(inReceptacle Book_bar_1)", "(inreceptacle book_bar_1 )"),
        ("(holds agent1 Book_bar_1)", "(holds agent1 book_bar_1)"),
        ("(inReceptacle Book_bar_1 Shelf_bar_1 Shelf_bar_1)", "(inreceptacle book_bar_1 shelf_bar_1"),
        ("(not (opened Fridge_bar_1))", "(not )"),
        ("(raining)", "(raining)"),
        ("raining", "raining"),
    ],
)
def test_every_other_fact_is_refused_and_shown(fact: str, shown: str) -> None:
    with pytest.raises(GameFileError) as refused:
        parse_problem(changed("(openable Fridge_bar_1)", fact), "some kitchen")
    assert str(refused.value).startswith(f"some kitchen: its PDDL problem states {shown}")


def test_sections_in_another_order_are_refused() -> None:
    body, goal = KITCHEN[: KITCHEN.index("(:goal")], KITCHEN[KITCHEN.index("(:goal") :]
    with pytest.raises(GameFileError, match="must have :objects, :init and :goal, in this order"):
        parse_problem(goal + body, "kitchen")


def test_the_first_undeclared_name_is_given() -> None:
    with pytest.raises(GameFileError, match="uses mug_bar_2, which it does not declare"):
        parse_problem(changed("Mug_bar_2 - object", ""), "kitchen")
