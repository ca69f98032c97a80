"""The kitchen, compiled: every number below is read off `worlds.py`.

Objects, in the order of their identifiers: apple_bar_1 (bit 0), apple_bar_2, book, desk lamp, knife,
mug_bar_1 (bit 5), mug_bar_2, plate (bit 7). Receptacles: counter top, two drawers, fridge, microwave, shelf,
sink basin.
"""

from __future__ import annotations

import pytest

from environments.alfworld.compiler import compile_game
from environments.alfworld.errors import GameFileError
from environments.alfworld.game import Game
from environments.alfworld.game_file import GameFile
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.worlds import kitchen, kitchen_problem

APPLES, BOOK, LAMP, KNIFE, MUGS, PLATE = 0b11, 0b100, 0b1000, 0b10000, 0b1100000, 0b10000000
MUG_1 = 0b100000


def compiled(*changes: tuple[str, str], task_type: TaskType = TaskType.PICK) -> Game:
    """The kitchen with facts replaced."""
    problem = kitchen_problem(task_type)
    for old, new in changes:
        assert old in problem
        problem = problem.replace(old, new)
    return compile_game(GameFile(problem, "put some mug on drawer.", ("look",)), "kitchen")


def test_objects_and_receptacles_are_numbered_by_identifier() -> None:
    game = kitchen()
    assert game.objects == (
        "apple 2",
        "apple 1",
        "book 1",
        "desklamp 1",
        "knife 1",
        "mug 2",
        "mug 1",
        "plate 1",
    )
    assert game.object_types == ("apple", "apple", "book", "desklamp", "knife", "mug", "mug", "plate")
    assert [place.name for place in game.receptacles] == [
        "countertop 1",
        "drawer 2",
        "drawer 1",
        "fridge 1",
        "microwave 1",
        "shelf 1",
        "sinkbasin 1",
    ]
    assert [place.index for place in game.receptacles] == list(range(7))
    assert [place.location for place in game.receptacles] == [1, 2, 2, 3, 4, 5, 1]
    assert [place.openable for place in game.receptacles] == [False, True, True, True, True, False, False]


def test_contents_at_the_start_are_masks() -> None:
    game = kitchen()
    counter, fridge = 0b1 | MUG_1 | PLATE, 0b10
    assert game.contents == (counter, KNIFE, MUGS - MUG_1, fridge, 0, BOOK | LAMP, 0)
    assert game.present == (0, counter, KNIFE | MUGS - MUG_1, fridge, 0, BOOK | LAMP)
    assert game.inside == ((7, 0b1),), "an apple on the plate, which is object 7"
    assert (game.start, game.opened) == (0, 0)


def test_names_of_a_mask_are_in_the_order_of_the_objects() -> None:
    game = kitchen()
    assert game.names(MUGS | APPLES) == ["apple 2", "apple 1", "mug 2", "mug 1"]
    assert game.names(0) == []


def test_lasting_and_changing_properties_are_masks() -> None:
    features = compiled(
        ("(openable Fridge_bar_1)", "(openable Fridge_bar_1) (isHot Mug_bar_1) (isSliced Apple_bar_2)"),
        ("(toggleable DeskLamp_bar_1)", "(toggleable DeskLamp_bar_1) (isToggled DeskLamp_bar_1)"),
    ).features
    assert features.pickupable == 0xFF - LAMP
    assert features.cleanable == APPLES | MUGS | PLATE | KNIFE
    assert features.heatable == features.coolable == APPLES | MUGS
    assert (features.sliceable, features.knife, features.container) == (APPLES, KNIFE, PLATE)
    assert (features.toggleable, features.toggled) == (LAMP, LAMP)
    assert (features.hot, features.sliced, features.clean, features.cool) == (MUG_1, 0b10, 0, 0)


def test_butter_knives_cut_too() -> None:
    game = compiled(("(objectType Knife_bar_1 KnifeType)", "(objectType Knife_bar_1 ButterKnifeType)"))
    assert game.features.knife == KNIFE


def test_a_place_accepts_what_its_type_can_contain() -> None:
    assert [place.accepts for place in kitchen().receptacles] == [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0]
    without = compiled(("(canContain DrawerType MugType)", ""))
    assert [place.accepts for place in without.receptacles] == [0xFF, 0xFF - MUGS, 0xFF - MUGS, 0xFF, 0, 0, 0]


def test_a_location_knows_what_can_be_done_there() -> None:
    beside_the_sink = kitchen().locations[1]
    assert [place.name for place in beside_the_sink.receptacles] == ["countertop 1", "sinkbasin 1"]
    assert beside_the_sink.examine == ("examine countertop 1", "examine sinkbasin 1")
    assert beside_the_sink.go_to == (
        "go to drawer 1",
        "go to drawer 2",
        "go to fridge 1",
        "go to microwave 1",
        "go to shelf 1",
    )
    assert (beside_the_sink.sinks, beside_the_sink.fridges) == (("sinkbasin 1",), ())
    assert kitchen().locations[3].fridges == ("fridge 1",)
    assert kitchen().locations[4].microwaves == ("microwave 1",)
    assert kitchen().locations[0].receptacles == ()


def test_the_initial_state_may_have_open_places() -> None:
    game = compiled(("(openable Drawer_bar_2)", "(openable Drawer_bar_2) (opened Drawer_bar_2)"))
    assert game.opened == 0b100


def test_targets_of_a_treatment_must_allow_it() -> None:
    dirty = ("(cleanable Mug_bar_2)", "")
    assert compiled(dirty).targets == MUGS
    assert compiled(dirty, task_type=TaskType.CLEAN).targets == MUG_1
    assert compiled(dirty, task_type=TaskType.HEAT).targets == MUGS
    cold = compiled(("(heatable Mug_bar_1)", ""), task_type=TaskType.HEAT)
    assert cold.targets == MUGS - MUG_1
    warm = compiled(("(coolable Mug_bar_1)", ""), task_type=TaskType.COOL)
    assert warm.targets == MUGS - MUG_1


def test_only_a_look_goal_has_lamps() -> None:
    assert kitchen(TaskType.LOOK, "Book", "DeskLamp").lamps == LAMP
    assert kitchen(TaskType.PICK, "Book", "Drawer").lamps == 0
    assert kitchen(TaskType.LOOK, "Book", "DeskLamp").targets == BOOK


def test_goal_receptacles_are_those_of_the_type() -> None:
    assert kitchen().goal_receptacles == (1, 2)
    assert kitchen(place="Shelf").goal_receptacles == (5,)


def test_the_goal_never_asks_for_an_object_without_a_type() -> None:
    game = compiled(("(objectType Mug_bar_1 MugType)", ""))
    assert game.object_types[5] == ""
    assert game.targets == MUGS - MUG_1
    assert game.contents[0] & MUG_1, "it can be seen all the same"


def test_a_place_without_a_location_cannot_be_reached() -> None:
    game = compiled(("(receptacleAtLocation Shelf_bar_1 loc_bar_5)", ""))
    assert game.receptacles[5].location == -1
    assert not any("shelf" in command for location in game.locations for command in location.go_to)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "(receptacleAtLocation Drawer_bar_1 loc_bar_2)",
            "(receptacleAtLocation Drawer_bar_1 loc_bar_2) (receptacleAtLocation Drawer_bar_1 loc_bar_3)",
            "gives two values of receptacle location for drawer_bar_1",
        ),
        (
            "(objectType Mug_bar_1 MugType)",
            "(objectType Mug_bar_1 MugType) (objectType Mug_bar_1 AppleType)",
            "gives two values of objectType for mug_bar_1",
        ),
        ("(atLocation agent1 loc_bar_0)", "", "places 0 agents instead of one"),
        (
            "(atLocation agent1 loc_bar_0)",
            "(atLocation agent1 loc_bar_0) (atLocation agent1 loc_bar_1)",
            "places 2 agents instead of one",
        ),
        (
            "(receptacleType Shelf_bar_1 ShelfType)",
            "",
            "does not say what kind of thing shelf_bar_1 is",
        ),
        ("Book_bar_1", "Book1", "does not say what kind of thing book1 is"),
        (
            "(inReceptacle Mug_bar_1 CounterTop_bar_1)",
            "(inReceptacle Drawer_bar_2 CounterTop_bar_1)",
            "uses drawer_bar_2 both as an object and as a receptacle",
        ),
    ],
)
def test_a_kitchen_that_would_be_played_wrongly_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(GameFileError, match=f"kitchen: its PDDL problem {reason}"):
        compiled((old, new))
