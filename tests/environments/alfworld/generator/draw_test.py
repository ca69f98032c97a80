"""Drawing tasks: which rooms and objects suit which task."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from environments.alfworld.generator.draw import (
    LAMP,
    LAMP_PLACES,
    TOOLS,
    Draw,
    _room_choices,
    draw,
    is_unseen,
)
from environments.alfworld.generator.furniture import places_of
from environments.alfworld.generator.package import read_world
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.generator.rooms import FRIDGE, KITCHEN, SHELF, WORLD


def choices(task_type: TaskType, **changes: object) -> list[tuple[str, str]]:
    room = replace(KITCHEN, **changes)  # type: ignore[arg-type]
    return [(each.object_class, each.place_class) for each in _room_choices(task_type, room, WORLD)]


def test_an_object_may_belong_wherever_it_fits_if_it_can_begin_elsewhere() -> None:
    assert choices(TaskType.PICK) == [
        ("Apple", "CounterTop"),
        ("Apple", "Fridge"),
        ("Book", "CounterTop"),
        ("Book", "Shelf"),
        ("Mug", "CounterTop"),
        ("Mug", "Fridge"),
        ("Mug", "Shelf"),
        ("Mug", "SinkBasin"),
    ]
    assert choices(TaskType.TWO) == choices(TaskType.PICK)


def test_an_object_with_one_kind_of_home_has_no_place_to_begin() -> None:
    assert [pair for pair in choices(TaskType.PICK, places=(SHELF, FRIDGE)) if pair[0] != "Mug"] == []


def test_treatments_need_the_tool_and_an_object_that_allows_them() -> None:
    assert {thing for thing, _ in choices(TaskType.COOL)} == {"Apple", "Mug"}
    assert {thing for thing, _ in choices(TaskType.CLEAN)} == {"Mug"}
    assert choices(TaskType.HEAT) == [], "there is no microwave"
    assert choices(TaskType.COOL, places=(SHELF,)) == []


def test_looking_at_something_needs_a_lamp_and_furniture_for_it() -> None:
    assert choices(TaskType.LOOK) == [("Apple", LAMP), ("Book", LAMP), ("Mug", LAMP)]
    assert choices(TaskType.LOOK, classes=KITCHEN.classes - {LAMP}) == []
    assert choices(TaskType.LOOK, places=(FRIDGE,)) == []


@pytest.mark.parametrize(("scene", "unseen"), [(1, True), (6, True), (7, False), (30, False), (206, True)])
def test_the_first_six_rooms_of_a_kind_are_unseen(scene: int, unseen: bool) -> None:
    assert is_unseen(scene) is unseen


@pytest.mark.parametrize("task_type", TaskType)
@pytest.mark.parametrize("unseen", [False, True])
def test_what_is_drawn_suits_its_room(task_type: TaskType, unseen: bool) -> None:
    world = read_world()
    rooms = {room.scene: room for room in world.rooms}
    rng = random.Random(0)
    for _ in range(50):
        drawn = draw(rng, task_type, unseen=unseen)
        room = rooms[drawn.scene]
        kinds = {place.type for place in places_of(room)}
        assert is_unseen(drawn.scene) is unseen
        assert drawn.object_class in room.classes
        if task_type is TaskType.LOOK:
            assert drawn.place_class == LAMP and kinds & LAMP_PLACES
        else:
            assert drawn.object_class in world.accepts[drawn.place_class]
        assert TOOLS.get(task_type, drawn.place_class) in kinds | {LAMP}


def test_every_suitable_room_is_as_likely_whatever_it_holds() -> None:
    rng = random.Random(0)
    drawn = Counter(draw(rng, TaskType.HEAT, unseen=True).scene for _ in range(1200))
    # The six first kitchens have microwaves; some suit many more objects than others.
    assert set(drawn) == {1, 2, 3, 4, 5, 6}
    assert all(150 <= count <= 250 for count in drawn.values()), drawn


def test_draws_are_sorted_by_type_and_then_by_object() -> None:
    first, second = (Draw(TaskType.PICK, name, "Desk", 301) for name in ("Book", "Mug"))
    assert sorted((second, first)) == [first, second]
