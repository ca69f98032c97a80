"""Advice that goes by what an episode's observations show."""

from __future__ import annotations

from environments.alfworld.adviser import Advice, Memory, advise

ROOM = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, "
    "you see a fridge 1, a shelf 1, and a sinkbasin 1.\n\nYour task is to: put a clean mug in shelf."
)
GOAL = "put a clean mug in shelf."
TAKEN = "You pick up the mug 2 from the fridge 1."


def advice(*observations: str, admissible: tuple[str, ...]) -> Advice:
    return advise(GOAL, observations, admissible)


def test_it_searches_places_that_the_transcript_does_not_show() -> None:
    arrived = "You arrive at shelf 1. On the shelf 1, you see a pen 1."
    admissible = ("go to fridge 1", "go to sinkbasin 1", "look", "take pen 1 from shelf 1")
    given = advice(ROOM, arrived, admissible=admissible)
    assert given.subgoal == "find and take a mug"
    assert sorted(given.actions) == ["go to fridge 1", "go to sinkbasin 1"]


def test_it_opens_what_is_closed_here() -> None:
    arrived = "You arrive at fridge 1. The fridge 1 is closed."
    given = advice(ROOM, arrived, admissible=("go to shelf 1", "open fridge 1"))
    assert given.actions == ("open fridge 1",)


def test_it_cleans_before_it_puts() -> None:
    admissible = ("go to shelf 1", "go to sinkbasin 1")
    assert advice(ROOM, TAKEN, admissible=admissible).actions == ("go to sinkbasin 1",)
    cleaned = "You clean the mug 2 using the sinkbasin 1."
    assert advice(ROOM, TAKEN, cleaned, admissible=admissible).actions == ("go to shelf 1",)


def test_it_puts_down_what_it_does_not_need() -> None:
    taken = "You pick up the pen 1 from the shelf 1."
    given = advice(ROOM, taken, admissible=("go to fridge 1", "move pen 1 to shelf 1"))
    assert given.actions == ("move pen 1 to shelf 1",)


def test_heat_undoes_cool_but_not_clean() -> None:
    memory = Memory.of(
        [ROOM, *(f"You {verb} the mug 1 using the x 1." for verb in ("clean", "cool", "heat"))]
    )
    assert memory.treatments == {"mug 1": {"clean", "heat"}}
