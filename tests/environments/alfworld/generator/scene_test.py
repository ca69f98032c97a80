"""Furnishing a room: where the task's objects and the clutter are at the start."""

from __future__ import annotations

import random

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.generator.draw import Draw
from environments.alfworld.generator.package import World
from environments.alfworld.generator.scene import PLACES, Scene, furnish
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.generator.rooms import FRIDGE, KITCHEN, SHELF, SINK, WORLD

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


@pytest.mark.parametrize("horizon", PLACES)
def test_a_horizon_limits_the_places_but_keeps_those_that_are_needed(horizon: str) -> None:
    for scene in scenes(TWO_MUGS, horizon=horizon):
        needed = {SHELF, *(thing.place for thing in scene.things)}
        assert needed <= set(scene.places)
        assert len(scene.places) == min(PLACES[horizon], 5)
        assert list(scene.places) == sorted(scene.places, key=lambda place: place.id)


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
