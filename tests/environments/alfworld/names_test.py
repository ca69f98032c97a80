"""Numbers that players see."""

from __future__ import annotations

from environments.alfworld.names import display_names


def test_numbers_fall_in_the_order_of_identifiers() -> None:
    names = display_names(["mug_bar_b", "mug_bar_a", "mug_bar_c", "pen_bar_z"])
    assert names == {"mug_bar_a": "mug 3", "mug_bar_b": "mug 2", "mug_bar_c": "mug 1", "pen_bar_z": "pen 1"}


def test_basins_are_named_after_what_they_are_part_of_and_counted_apart() -> None:
    names = display_names(["sink_bar_1", "sink_bar_1_bar_sinkbasin", "bathtub_bar_2_bar_bathtubbasin"])
    assert names["sink_bar_1"] == "sink 1"
    assert names["sink_bar_1_bar_sinkbasin"] == "sinkbasin 1"
    assert names["bathtub_bar_2_bar_bathtubbasin"] == "bathtubbasin 1"


def test_classes_have_no_number() -> None:
    assert display_names(["agent1", "mugtype"]) == {}
