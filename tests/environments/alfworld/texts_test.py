"""Sentences of the text grammar, worked out from `alfred.twl2`."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.alfworld.texts import HELP, listed, object_state


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), "nothing"),
        (("mug 1",), "a mug 1"),
        (("mug 1", "pen 2"), "a mug 1, and a pen 2"),
        (("mug 1", "pen 2", "cup 1"), "a mug 1, a pen 2, and a cup 1"),
    ],
)
def test_lists(names: tuple[str, ...], text: str) -> None:
    assert listed(names) == text


def test_lists_with_another_article() -> None:
    assert listed(("mug 1", "pen 2"), "the ") == "the mug 1, and the pen 2"
    assert listed((), "the ") == "nothing"


@given(st.lists(st.from_regex(r"[a-z]{1,8} [1-9]", fullmatch=True), min_size=2, max_size=9))
def test_every_name_can_be_found_again(names: list[str]) -> None:
    assert listed(names).replace(", and a ", ", a ").removeprefix("a ").split(", a ") == names


STATES = {
    # clean, hot, cool, sliced, toggled
    (0, 0, 0, 0, 0): "There's nothing special about mug 1.",
    (1, 0, 0, 0, 0): "This is a clean mug 1.",
    (0, 1, 0, 0, 0): "This is a hot mug 1.",
    (0, 0, 1, 0, 0): "This is a cold mug 1.",
    (0, 0, 0, 1, 0): "This is a sliced mug 1.",
    (0, 0, 0, 0, 1): "This mug 1 is on.",
    (1, 1, 0, 0, 0): "This is a hot and clean mug 1.",
    (1, 0, 1, 0, 0): "This is a cool and clean mug 1.",
    (1, 1, 0, 1, 0): "This is a hot and clean sliced mug 1.",
    (1, 0, 1, 1, 0): "This is a cool and clean sliced mug 1.",
    (1, 0, 0, 1, 0): "This is a clean sliced mug 1.",
    (0, 1, 0, 1, 0): "This is a hot sliced mug 1.",
    (0, 0, 1, 1, 0): "This is a cool sliced mug 1.",
    (0, 0, 0, 1, 1): "This mug 1 is on.",
}


@pytest.mark.parametrize("state", STATES)
def test_states_of_an_object(state: tuple[int, ...]) -> None:
    names = ("clean", "hot", "cool", "sliced", "toggled")
    flags = {name: bool(flag) for name, flag in zip(names, state, strict=True)}
    assert object_state("mug 1", **flags) == STATES[state]


def test_every_state_names_the_object_and_ends_with_a_full_stop() -> None:
    names = ("clean", "hot", "cool", "sliced", "toggled")
    for state in itertools.product((False, True), repeat=5):
        text = object_state("mug 1", **dict(zip(names, state, strict=True)))
        assert text.count("mug 1") == 1 and text.endswith(".")
        assert "  " not in text


def test_the_help_has_a_line_for_each_command() -> None:
    first, *lines = HELP.splitlines()
    assert first == "Available commands:"
    assert [line.split()[0] for line in lines] == [
        "look:",
        "inventory:",
        "go",
        "open",
        "close",
        "take",
        "move",
        "examine",
        "use",
        "heat",
        "clean",
        "cool",
        "slice",
    ]
