"""The picture of the folders, for a layout of four."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tools.draw_layout import Layout, arrows, draw, levels, read_layout

LAYOUT = Layout(
    may_import={
        "core": [],
        "trajectory": ["core"],
        "serving": ["core", "trajectory"],
        "planner": ["core", "trajectory", "serving"],
        "learner": ["core", "trajectory", "serving", "planner"],
        "studies": ["core", "trajectory", "serving", "planner", "learner"],
    },
    only_from={("learner", "planner"): ["learner/imitation", "learner/other"]},
)
SVG = "{http://www.w3.org/2000/svg}"


def test_an_arrow_is_left_out_where_others_lead_to_the_same_folder() -> None:
    assert list(arrows(LAYOUT)) == [
        ("trajectory", "core"),
        ("serving", "trajectory"),
        ("planner", "serving"),
        # Only a part of the learner may import the planner: the way over it does not count for the rest.
        ("learner", "serving"),
        ("learner", "planner"),
        ("studies", "learner"),
    ]


def test_a_folder_is_one_row_above_the_highest_that_it_imports() -> None:
    assert levels(LAYOUT) == {
        "core": 0,
        "trajectory": 1,
        "serving": 2,
        "planner": 3,
        "learner": 4,
        "studies": 5,
    }


def test_the_picture_has_a_box_for_each_folder_and_a_line_for_each_arrow() -> None:
    root = ElementTree.fromstring(draw(LAYOUT))
    names = [each.text for each in root.iter(f"{SVG}text")]
    assert [name for name in names if name and name.endswith("/") and "," not in name] == [
        f"{folder}/" for folder in LAYOUT.may_import
    ]
    lines = list(root.iter(f"{SVG}line"))
    assert len(lines) == 6
    assert [line.get("stroke-dasharray") for line in lines].count("5 4") == 1
    assert "imitation/, other/" in names


def test_every_arrow_points_down_and_stays_in_the_picture() -> None:
    root = ElementTree.fromstring(draw(LAYOUT))
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    for line in root.iter(f"{SVG}line"):
        x1, y1, x2, y2 = (float(line.attrib[name]) for name in ("x1", "y1", "x2", "y2"))
        assert y1 < y2
        assert min(x1, x2) > 0 and max(x1, x2) < width and y2 < height


def test_a_layout_is_read_from_the_literals_of_the_build() -> None:
    text = (
        '"""About."""\nMAY_IMPORT = {"a": [], "b": ["a"]}\n'
        'ONLY_FROM = {("b", "a"): ["b/c"]}\ndef f():\n    pass\n'
    )
    assert read_layout(text) == Layout({"a": [], "b": ["a"]}, {("b", "a"): ["b/c"]})
    with pytest.raises(KeyError, match="ONLY_FROM"):
        read_layout("MAY_IMPORT = {}\n")


def test_a_folder_without_a_place_in_the_picture_is_named() -> None:
    with pytest.raises(KeyError, match="unheard_of"):
        draw(Layout({"unheard_of": []}, {}))


def test_texts_are_escaped() -> None:
    assert not re.search(r"&(?!amp;|lt;|gt;|quot;|#)", draw(LAYOUT))
