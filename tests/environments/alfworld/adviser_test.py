"""Advice that goes by what an episode's observations show."""

from __future__ import annotations

from environments.alfworld.adviser import Advice, Memory, advise

ROOM = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, "
    "you see a fridge 1, a shelf 1, and a sinkbasin 1.\n\nYour task is to: put a clean mug in shelf."
)
GOAL = "put a clean mug in shelf."
TAKEN = "You pick up the mug 2 from the fridge 1."


def advice(*observations: str, admissible: tuple[str, ...], goal: str = GOAL) -> Advice:
    return advise(goal, observations, admissible)


def room(*places: str) -> str:
    return f"You are in the middle of a room. You see {', '.join(f'a {place}' for place in places)}."


def test_it_searches_places_that_the_transcript_does_not_show() -> None:
    arrived = "You arrive at shelf 1. On the shelf 1, you see a pen 1."
    admissible = ("go to fridge 1", "go to sinkbasin 1", "look", "take pen 1 from shelf 1")
    given = advice(ROOM, arrived, admissible=admissible)
    assert given.subgoal == "find and take a mug"
    assert sorted(given.actions) == ["go to fridge 1", "go to sinkbasin 1"]


def test_it_searches_first_where_such_objects_usually_are() -> None:
    places = ("cabinet 1", "coffeemachine 1", "countertop 1", "shelf 1", "toilet 1")
    admissible = tuple(f"go to {place}" for place in places)
    given = advice(room(*places), admissible=admissible)
    kinds = [action.split()[2] for action in given.actions]
    assert kinds == ["coffeemachine", "countertop", "shelf", "cabinet", "toilet"]


def test_it_searches_for_an_unknown_kind_of_object_where_it_is_quick() -> None:
    places = ("drawer 1", "hammock 2", "hammock 10", "shelf 1")
    admissible = tuple(f"go to {place}" for place in places)
    given = advice(room(*places), admissible=admissible, goal="put a gizmo in hammock.")
    assert given.actions == ("go to hammock 2", "go to hammock 10", "go to shelf 1", "go to drawer 1")


def test_it_opens_where_it_is_rather_than_to_walk_to_another_drawer() -> None:
    start = room("drawer 1", "drawer 2", "shelf 1")
    arrived = "You arrive at drawer 2. The drawer 2 is closed."
    admissible = ("go to drawer 1", "go to shelf 1", "open drawer 2")
    taken = "You pick up the mug 2 from the shelf 1."
    given = advice(start, taken, arrived, admissible=admissible, goal="put a mug in drawer.")
    assert given.actions[0] == "open drawer 2"
    left_open = "You open the drawer 1. The drawer 1 is open. In it, you see nothing."
    given = advice(start, left_open, taken, arrived, admissible=admissible, goal="put a mug in drawer.")
    assert given.actions[0] == "open drawer 2"


def test_of_two_objects_in_different_places_one_is_brought_to_the_other() -> None:
    start = room("shelf 1", "shelf 2")
    seen = (
        "You arrive at shelf 1. On the shelf 1, you see a mug 1.",
        "You arrive at shelf 2. On the shelf 2, you see a mug 2.",
    )
    goal = "put two mug in shelf."
    given = advice(start, *seen, admissible=("go to shelf 1", "take mug 2 from shelf 2"), goal=goal)
    assert given == Advice("find and take another mug", ("take mug 2 from shelf 2",))
    taken = "You pick up the mug 2 from the shelf 2."
    given = advice(start, *seen, taken, admissible=("go to shelf 1", "move mug 2 to shelf 2"), goal=goal)
    assert given == Advice("put the mug in the shelf", ("go to shelf 1",))


def test_a_place_where_something_was_put_has_not_been_looked_into() -> None:
    start = room("shelf 1", "shelf 2")
    seen = "You arrive at shelf 1. On the shelf 1, you see a pen 1."
    moved = ("You pick up the pen 1 from the shelf 1.", "You move the pen 1 to the shelf 2.")
    given = advice(start, seen, *moved, admissible=("examine shelf 1", "examine shelf 2"))
    assert given.actions == ("examine shelf 2",)


def test_a_place_that_refuses_what_is_held_comes_last() -> None:
    start = room("bed 1", "desk 1", "shelf 1")
    taken = "You pick up the pen 1 from the bed 1."
    desk = "You arrive at desk 1. On the desk 1, you see nothing."
    assert (
        advice(start, taken, desk, admissible=("go to bed 1", "go to shelf 1")).actions[0] == "go to shelf 1"
    )
    shelf = "You arrive at shelf 1. On the shelf 1, you see nothing."
    bed = "You arrive at bed 1. On the bed 1, you see nothing."
    given = advice(start, taken, desk, shelf, bed, admissible=("go to desk 1", "go to shelf 1"))
    assert given == Advice("put the pen in the desk", ("go to desk 1", "go to shelf 1"))


def test_it_opens_what_is_closed_here_and_likely() -> None:
    arrived = "You arrive at fridge 1. The fridge 1 is closed."
    given = advice(ROOM, arrived, admissible=("go to shelf 1", "open fridge 1"))
    assert given.actions == ("open fridge 1", "go to shelf 1")


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
