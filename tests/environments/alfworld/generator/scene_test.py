"""Furnishing a room: where the task's objects and the clutter are at the start."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.generator.draw import Draw
from environments.alfworld.generator.package import World
from environments.alfworld.generator.scene import Scene, furnish
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.generator.rooms import COUNTER, FRIDGE, KITCHEN, SHELF, SINK, WORLD

SEEDS = range(40)
COOL_MUG = Draw(TaskType.COOL, "Mug", "Shelf", 7)
TWO_MUGS = Draw(TaskType.TWO, "Mug", "Shelf", 7)


def scenes(draw: Draw, world: World = WORLD, **settings: object) -> list[Scene]:
    chosen = GeneratorSettings.model_validate({"clutter": 0.0, **settings})
    return [furnish(random.Random(seed), draw, KITCHEN, world, chosen) for seed in SEEDS]


def test_the_objects_begin_where_they_do_not_belong() -> None:
    for scene in scenes(COOL_MUG):
        mugs = [thing.place for thing in scene.things if thing.type == "Mug"]
        assert SHELF not in mugs
        assert set(mugs) <= set(scene.places)
        assert {SHELF, FRIDGE} <= set(scene.places), "where it belongs, and the tool"


def test_there_are_as_many_objects_as_needed_or_one_more() -> None:
    assert {len(scene.things) for scene in scenes(COOL_MUG)} == {1, 2}
    assert {len(scene.things) for scene in scenes(TWO_MUGS)} == {2, 3}
    spare = sum(len(scene.things) - 1 for scene in scenes(COOL_MUG))
    assert 5 <= spare <= 20, "30 % of 40"


def test_a_task_with_a_lamp_has_one_on_furniture_for_lamps() -> None:
    for scene in scenes(Draw(TaskType.LOOK, "Mug", "DeskLamp", 7)):
        (lamp,) = (thing for thing in scene.things if thing.type == "DeskLamp")
        assert lamp.place == SHELF
        assert "Mug" in {thing.type for thing in scene.things}


@pytest.mark.parametrize(("horizon", "most"), [("tiny", 4), ("short", 6), ("medium", 12), ("long", 20)])
def test_a_horizon_limits_the_places_but_keeps_those_that_are_needed(horizon: str, most: int) -> None:
    # With the toaster, the room has 20 places.
    shelves = [replace(SHELF, id=f"Shelf|+0{n:.2f}|+01.50|+03.00") for n in range(1, 9)]
    counters = [replace(COUNTER, id=f"CounterTop|+0{n:.2f}|+01.00|+05.00") for n in range(1, 8)]
    room = replace(KITCHEN, places=(*KITCHEN.places, *shelves, *counters))
    chosen = GeneratorSettings.model_validate({"clutter": 0.0, "horizon": horizon})
    kept = set()
    for seed in SEEDS:
        scene = furnish(random.Random(seed), TWO_MUGS, room, WORLD, chosen)
        things = {thing.place for thing in scene.things}
        assert things <= set(scene.places) and "Shelf" in {place.type for place in scene.places}
        assert len(scene.places) == most
        assert list(scene.places) == sorted(scene.places, key=lambda place: place.id)
        kept.update(scene.places)
    assert len(kept) == 20, "those that are not needed are drawn"


def test_nothing_is_in_reach_at_the_start() -> None:
    for scene in scenes(COOL_MUG, clutter=1.0):
        assert scene.start not in {place.pose for place in KITCHEN.places}


def test_clutter_fits_its_place_and_never_helps() -> None:
    for scene in scenes(COOL_MUG, clutter=1.0):
        others = [thing for thing in scene.things if thing.type != "Mug"]
        assert others
        for thing in others:
            assert thing.type in WORLD.accepts[thing.place.type] & KITCHEN.classes
        assert SINK not in {thing.place for thing in others}, "only mugs fit there"
        assert set(Counter(thing.place for thing in others).values()) <= {1, 2, 3}
    counts = Counter(
        count
        for scene in scenes(COOL_MUG, clutter=1.0)
        for count in Counter(thing.place for thing in scene.things if thing.type != "Mug").values()
    )
    assert counts.keys() == {1, 2, 3}


def test_half_the_clutter_is_in_half_the_places() -> None:
    for scene in scenes(COOL_MUG, clutter=0.5, horizon="tiny"):
        cluttered = {thing.place for thing in scene.things if thing.type != "Mug"}
        assert len(cluttered) <= 2, "half of four places, if something fits there"


def test_objects_have_ids_of_their_own_near_their_places() -> None:
    for scene in scenes(TWO_MUGS, clutter=1.0):
        assert len({thing.id for thing in scene.things}) == len(scene.things)
        for thing in scene.things:
            kind, *spot = thing.id.split("|")
            place = thing.place.id.split("|")[1:4]
            assert kind == thing.type
            x, y, z = (float(a) - float(b) for a, b in zip(spot, place, strict=True))
            assert max(abs(x), abs(z)) <= 0.31 and -0.01 <= y <= 0.21
