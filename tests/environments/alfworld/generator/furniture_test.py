"""Receptacles of which alfworld's layouts give no pose."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from environments.alfworld.generator.furniture import UNMEASURED, places_of
from environments.alfworld.generator.package import Place, read_world
from tests.environments.alfworld.generator.rooms import KITCHEN


def test_measured_places_come_first_and_unchanged() -> None:
    places = places_of(KITCHEN)
    assert places[:4] == KITCHEN.places
    assert [place.type for place in places[4:]] == ["Toaster"]


def test_a_kitchen_with_a_stove_has_four_burners() -> None:
    places = places_of(replace(KITCHEN, classes=KITCHEN.classes | {"StoveBurner"}))
    assert [place.type for place in places[4:]] == ["StoveBurner"] * 4 + ["Toaster"]
    assert len({place.id for place in places}) == len(places)


def test_a_class_with_a_known_pose_is_not_added_again() -> None:
    toaster = Place("Toaster|+00.00|+01.00|+00.00", "Toaster", (0.0, 0.0, 0, 30))
    assert places_of(replace(KITCHEN, places=(*KITCHEN.places, toaster)))[4:] == (toaster,)


def test_made_up_places_depend_on_the_room_alone() -> None:
    elsewhere = replace(KITCHEN, scene=8)
    assert places_of(KITCHEN) == places_of(replace(KITCHEN))
    assert places_of(KITCHEN)[4] != places_of(elsewhere)[4]


def test_made_up_places_are_used_from_spots_of_their_own() -> None:
    for room in read_world().rooms:
        measured = {place.pose for place in room.places}
        added = places_of(room)[len(room.places) :]
        assert not measured & {place.pose for place in added}, room.scene
        assert Counter(place.type for place in added) == {
            kind: count
            for kind, count in UNMEASURED.items()
            if kind in room.classes and kind not in {place.type for place in room.places}
        }


def test_made_up_names_have_the_form_of_the_measured_ones() -> None:
    toaster = places_of(KITCHEN)[4]
    kind, *coordinates = toaster.id.split("|")
    assert kind == "Toaster"
    assert [len(coordinate) for coordinate in coordinates] == [6, 6, 6]
    x, _, z = map(float, coordinates)
    assert (x, z) == toaster.pose[:2]
