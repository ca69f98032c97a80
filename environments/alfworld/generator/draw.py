"""Draws tasks: what has to be done with which object, in which room."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from environments.alfworld.generator.furniture import places_of
from environments.alfworld.generator.package import Room, World, read_world
from environments.alfworld.task_types import TaskType

LAMP = "DeskLamp"
LAMP_PLACES = frozenset({"Desk", "Dresser", "SideTable", "Shelf", "CoffeeTable"})
"""Classes of places where the released games have their desk lamps."""

TOOLS = {TaskType.CLEAN: "SinkBasin", TaskType.HEAT: "Microwave", TaskType.COOL: "Fridge"}
_PROPERTIES = {TaskType.CLEAN: "Cleanable", TaskType.HEAT: "Heatable", TaskType.COOL: "Coolable"}


@dataclass(frozen=True, order=True)
class Draw:
    """A task before its room is furnished. Classes are spelled as in AI2-THOR, such as `SinkBasin`."""

    task_type: TaskType
    object_class: str
    place_class: str
    """Class of the place where the object belongs; for `LOOK`, of the lamp."""
    scene: int


def is_unseen(scene: int) -> bool:
    """Whether the room belongs to alfworld's test scenes, which are the first six rooms of each kind."""
    return scene % 100 <= 6


def draw(rng: random.Random, task_type: TaskType, *, unseen: bool) -> Draw:
    """A task of the type: every suitable room is equally likely, then every task in that room."""
    # In two steps: otherwise rooms with many possible tasks would be drawn more often.
    scenes = _choices(task_type, unseen)
    return rng.choice(scenes[rng.randrange(len(scenes))])


@cache
def _choices(task_type: TaskType, unseen: bool) -> tuple[tuple[Draw, ...], ...]:
    world = read_world()
    by_room = (
        tuple(_room_choices(task_type, room, world))
        for room in world.rooms
        if is_unseen(room.scene) == unseen
    )
    return tuple(choices for choices in by_room if choices)


def _room_choices(task_type: TaskType, room: Room, world: World) -> Iterator[Draw]:
    places = {place.type for place in places_of(room)}
    if task_type in TOOLS and TOOLS[task_type] not in places:
        return
    if task_type is TaskType.LOOK and not (LAMP in room.classes and places & LAMP_PLACES):
        return
    suited = world.actions[_PROPERTIES[task_type]] if task_type in _PROPERTIES else room.classes
    for thing in sorted(room.classes & suited):
        homes = {place for place in places if thing in world.accepts.get(place, ())}
        if task_type is TaskType.LOOK and homes:
            yield Draw(task_type, thing, LAMP, room.scene)
        # Two kinds of places at least: the object must start in one where it does not belong.
        elif task_type is not TaskType.LOOK and len(homes) > 1:
            yield from (Draw(task_type, thing, home, room.scene) for home in sorted(homes))
