"""What is left out of ALFWorld's observations and lists of actions."""

from __future__ import annotations

import pytest

from environments.alfworld.telling import AlfworldTelling

TELLING = AlfworldTelling()


@pytest.mark.parametrize(
    ("observation", "kept"),
    [
        ("You arrive at shelf 1. On the shelf 1, you see nothing.", "On the shelf 1, you see nothing."),
        (
            "You open the fridge 1. The fridge 1 is open. In it, you see a mug 1.",
            "The fridge 1 is open. In it, you see a mug 1.",
        ),
        ("You pick up the mug 1 from the shelf 1.", "You pick up the mug 1 from the shelf 1."),
        ("You put a mug 1. You arrive at work.", "You put a mug 1. You arrive at work."),
        (
            "-= Welcome to TextWorld, ALFRED! =- You are in the middle of a room. "
            "Looking quickly around you, you see a bed 1, and a shelf 1. Your task is to: put a pen in bed.",
            "you see a bed 1, and a shelf 1.",
        ),
    ],
)
def test_what_is_always_said_is_left_out(observation: str, kept: str) -> None:
    assert TELLING.told("", observation, "put a pen in bed.") == kept
    assert TELLING.told(observation, observation, "put a pen in bed.") == kept


def test_actions_that_the_room_tells_are_not_listed() -> None:
    actions = (
        "go to bed 1",
        "examine desk 1",
        "take mug 1 from desk 1",
        "open drawer 1",
        "look",
        "inventory",
    )
    assert [action for action in actions if not TELLING.follows(action)] == list(actions[2:4])
    assert [action for action in (*actions, "help") if TELLING.hidden(action)] == ["help"]
    assert [TELLING.place(action) for action in actions] == ["bed 1", "", "", "", "", ""]
