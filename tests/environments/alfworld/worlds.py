"""A small kitchen written by hand, so that every expected text below can be checked by eye."""

from __future__ import annotations

from environments.alfworld.compiler import compile_game
from environments.alfworld.game import Game
from environments.alfworld.game_file import GameFile
from environments.alfworld.goals import Goal, goal_pddl
from environments.alfworld.task_types import TaskType

_TYPES = (
    *(
        f"{kind}Type - otype"
        for kind in ("Apple", "Mug", "Knife", "ButterKnife", "Plate", "DeskLamp", "Book")
    ),
    *(
        f"{kind}Type - rtype"
        for kind in ("CounterTop", "Drawer", "Fridge", "Microwave", "SinkBasin", "Shelf", "Cabinet")
    ),
)

PLACES = {
    "CounterTop_bar_1": ("CounterTop", "loc_bar_1"),
    "Drawer_bar_1": ("Drawer", "loc_bar_2"),
    "Drawer_bar_2": ("Drawer", "loc_bar_2"),
    "Fridge_bar_1": ("Fridge", "loc_bar_3"),
    "Microwave_bar_1": ("Microwave", "loc_bar_4"),
    "Shelf_bar_1": ("Shelf", "loc_bar_5"),
    "Sink_bar_1_bar_SinkBasin": ("SinkBasin", "loc_bar_1"),
}
"""Receptacle: its type and where it stands. Two drawers share a spot, and so do counter and sink."""

THINGS = {
    "Apple_bar_1": ("Apple", "CounterTop_bar_1"),
    "Apple_bar_2": ("Apple", "Fridge_bar_1"),
    "Book_bar_1": ("Book", "Shelf_bar_1"),
    "DeskLamp_bar_1": ("DeskLamp", "Shelf_bar_1"),
    "Knife_bar_1": ("Knife", "Drawer_bar_1"),
    "Mug_bar_1": ("Mug", "CounterTop_bar_1"),
    "Mug_bar_2": ("Mug", "Drawer_bar_2"),
    "Plate_bar_1": ("Plate", "CounterTop_bar_1"),
}

_MARKS = {
    "openable": ("Drawer_bar_1", "Drawer_bar_2", "Fridge_bar_1", "Microwave_bar_1"),
    "pickupable": tuple(thing for thing in THINGS if not thing.startswith("DeskLamp")),
    "toggleable": ("DeskLamp_bar_1",),
    "cleanable": ("Apple_bar_1", "Apple_bar_2", "Mug_bar_1", "Mug_bar_2", "Plate_bar_1", "Knife_bar_1"),
    "heatable": ("Apple_bar_1", "Apple_bar_2", "Mug_bar_1", "Mug_bar_2"),
    "coolable": ("Apple_bar_1", "Apple_bar_2", "Mug_bar_1", "Mug_bar_2"),
    "sliceable": ("Apple_bar_1", "Apple_bar_2"),
    "isReceptacleObject": ("Plate_bar_1",),
}


def kitchen_problem(task_type: TaskType = TaskType.PICK, thing: str = "Mug", place: str = "Drawer") -> str:
    """The PDDL problem of the kitchen with the given goal."""
    kinds = sorted({kind for kind, _ in THINGS.values()})
    declared = [
        "agent1 - agent",
        *_TYPES,
        *(f"{name} - receptacle" for name in PLACES),
        *(f"{name} - object" for name in THINGS),
        *(f"loc_bar_{n} - location" for n in range(6)),
    ]
    facts = [
        *(f"(receptacleType {name} {kind}Type)" for name, (kind, _) in PLACES.items()),
        *(f"(receptacleAtLocation {name} {spot})" for name, (_, spot) in PLACES.items()),
        *(f"(objectType {name} {kind}Type)" for name, (kind, _) in THINGS.items()),
        *(f"(inReceptacle {name} {holder})" for name, (_, holder) in THINGS.items()),
        *(f"(objectAtLocation {name} {PLACES[holder][1]})" for name, (_, holder) in THINGS.items()),
        *(
            f"(canContain {kind}Type {held}Type)"
            for kind in ("CounterTop", "Drawer", "Fridge")
            for held in kinds
        ),
        *(f"({mark} {name})" for mark, names in _MARKS.items() for name in names),
        "(inReceptacleObject Apple_bar_1 Plate_bar_1)",
        "(atLocation agent1 loc_bar_0)",
    ]
    goal = Goal(task_type, thing.lower(), place.lower())
    body = "\n".join(("(:objects", *declared, ")", "(:init", *facts, ")"))
    goal_text = goal_pddl(goal, f"{thing}Type", f"{place}Type")
    return f"(define (problem kitchen) (:domain alfred)\n{body}\n{goal_text}"


def kitchen(task_type: TaskType = TaskType.PICK, thing: str = "Mug", place: str = "Drawer") -> Game:
    problem = kitchen_problem(task_type, thing, place)
    return compile_game(GameFile(problem, f"put some {thing.lower()} on {place.lower()}.", ()), "kitchen")
