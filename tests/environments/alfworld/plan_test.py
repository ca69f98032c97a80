"""The planner that knows where everything is, in the kitchen of `worlds.py`."""

from __future__ import annotations

import pytest

from environments.alfworld.compiler import compile_game
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game
from environments.alfworld.game_file import GameFile
from environments.alfworld.plan import plan
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.worlds import kitchen, kitchen_problem

TO_THE_APPLE = ("go to countertop 1", "take apple 2 from countertop 1")
INTO_THE_DRAWER = ("go to drawer 2", "open drawer 2", "move apple 2 to drawer 2")


def without(*facts: str, task_type: TaskType, thing: str, place: str) -> Game:
    """The kitchen without some facts."""
    problem = kitchen_problem(task_type, thing, place)
    for fact in facts:
        assert fact in problem
        problem = problem.replace(fact, "")
    return compile_game(GameFile(problem, "put it there.", ()), "kitchen")


@pytest.mark.parametrize(
    ("task_type", "thing", "place", "actions"),
    [
        (TaskType.PICK, "Apple", "Drawer", (*TO_THE_APPLE, *INTO_THE_DRAWER)),
        (
            TaskType.CLEAN,
            "Apple",
            "Drawer",
            (*TO_THE_APPLE, "clean apple 2 with sinkbasin 1", *INTO_THE_DRAWER),
        ),
        (
            TaskType.HEAT,
            "Apple",
            "Fridge",
            (
                *TO_THE_APPLE,
                "go to microwave 1",
                "heat apple 2 with microwave 1",
                "go to fridge 1",
                "open fridge 1",
                "move apple 2 to fridge 1",
            ),
        ),
        (
            TaskType.COOL,
            "Apple",
            "Drawer",
            (*TO_THE_APPLE, "go to fridge 1", "cool apple 2 with fridge 1", *INTO_THE_DRAWER),
        ),
        (
            TaskType.LOOK,
            "Book",
            "DeskLamp",
            ("go to shelf 1", "take book 1 from shelf 1", "use desklamp 1"),
        ),
        (TaskType.LOOK, "Apple", "DeskLamp", (*TO_THE_APPLE, "go to shelf 1", "use desklamp 1")),
        (
            TaskType.TWO,
            "Apple",
            "Drawer",
            (
                *TO_THE_APPLE,
                *INTO_THE_DRAWER,
                "go to fridge 1",
                "open fridge 1",
                "take apple 1 from fridge 1",
                "go to drawer 2",
                "move apple 1 to drawer 2",
            ),
        ),
    ],
)
def test_the_way_to_each_goal(task_type: TaskType, thing: str, place: str, actions: tuple[str, ...]) -> None:
    game = kitchen(task_type, thing, place)
    assert plan(game) == actions
    episode = Episode(game)
    for action in actions:
        assert not episode.won
        episode.act(action)
    assert episode.won


def test_one_of_two_objects_that_is_in_place_stays_there() -> None:
    game = without(
        "(receptacleAtLocation Drawer_bar_1 loc_bar_2)", task_type=TaskType.TWO, thing="Mug", place="Drawer"
    )
    assert plan(game) == (
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "go to drawer 1",
        "open drawer 1",
        "move mug 2 to drawer 1",
    )


def test_an_object_that_is_in_place_is_treated_and_put_back() -> None:
    game = without("(heatable Apple_bar_1)", task_type=TaskType.HEAT, thing="Apple", place="Fridge")
    assert plan(game) == (
        "go to fridge 1",
        "open fridge 1",
        "take apple 1 from fridge 1",
        "go to microwave 1",
        "heat apple 1 with microwave 1",
        "go to fridge 1",
        "move apple 1 to fridge 1",
    )


def test_a_second_place_is_used_where_the_first_lacks_objects() -> None:
    # Both mugs are needed in drawer 2, but one is enough in drawer 1, where the other one is.
    game = without("(pickupable Mug_bar_2)", task_type=TaskType.TWO, thing="Mug", place="Drawer")
    assert plan(game) == (
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "go to drawer 1",
        "open drawer 1",
        "move mug 2 to drawer 1",
    )


def test_a_game_that_is_won_at_the_start_has_no_plan() -> None:
    game = kitchen(TaskType.PICK, "Mug", "Drawer")
    assert Episode(game).won
    assert plan(game) is None


@pytest.mark.parametrize(
    ("facts", "task_type", "thing", "place"),
    [
        ((), TaskType.PICK, "Book", "Microwave"),
        (("(receptacleAtLocation Microwave_bar_1 loc_bar_4)",), TaskType.HEAT, "Apple", "Drawer"),
        (("(receptacleAtLocation Shelf_bar_1 loc_bar_5)",), TaskType.LOOK, "Apple", "DeskLamp"),
        (("(toggleable DeskLamp_bar_1)",), TaskType.LOOK, "Apple", "DeskLamp"),
        (("(pickupable Book_bar_1)",), TaskType.LOOK, "Book", "DeskLamp"),
        (("(pickupable Apple_bar_2)",), TaskType.TWO, "Apple", "Drawer"),
        (("(receptacleAtLocation Fridge_bar_1 loc_bar_3)",), TaskType.TWO, "Apple", "Drawer"),
    ],
)
def test_a_game_without_a_way_has_no_plan(
    facts: tuple[str, ...], task_type: TaskType, thing: str, place: str
) -> None:
    assert plan(without(*facts, task_type=task_type, thing=thing, place=place)) is None
