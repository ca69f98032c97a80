"""A walkthrough divided into subgoals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from environments.alfworld import subgoals
from environments.alfworld.demonstration import demonstrate
from tests.environments.alfworld.worlds import kitchen


def demonstrated(*walkthrough: str) -> list[tuple[str, str]]:
    game = replace(kitchen(), walkthrough=walkthrough)
    return [(step.subgoal, step.action) for step in demonstrate(game)]


def test_actions_belong_to_the_subgoal_that_the_next_one_reaches() -> None:
    assert demonstrated(
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "heat mug 2 with microwave 1",
        "go to drawer 2",
        "open drawer 2",
        "move mug 2 to drawer 2",
    ) == [
        ("find and take a mug", "go to countertop 1"),
        ("find and take a mug", "take mug 2 from countertop 1"),
        ("heat the mug", "heat mug 2 with microwave 1"),
        ("put the mug in the drawer", "go to drawer 2"),
        ("put the mug in the drawer", "open drawer 2"),
        ("put the mug in the drawer", "move mug 2 to drawer 2"),
    ]


def test_the_second_object_is_another_one() -> None:
    steps = demonstrated("take mug 2 from desk 1", "move mug 2 to shelf 1", "take mug 1 from desk 1")
    assert [subgoal for subgoal, _ in steps] == [
        "find and take a mug",
        "put the mug in the shelf",
        "find and take another mug",
    ]


def test_actions_that_reach_nothing_explore() -> None:
    assert demonstrated("use desklamp 1", "go to shelf 1", "look") == [
        ("turn on the desklamp", "use desklamp 1"),
        ("explore the room", "go to shelf 1"),
        ("explore the room", "look"),
    ]
    assert demonstrated() == []


@pytest.mark.parametrize("verb", ["clean", "heat", "cool"])
def test_treatments_are_subgoals_of_their_own(verb: str) -> None:
    ((subgoal, _),) = demonstrated(f"{verb} plate 1 with sinkbasin 1")
    assert subgoal == subgoals.treat(verb, "plate") == f"{verb} the plate"
