"""Which task is played in which room."""

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
"""Where real games have their desk lamps."""

TOOLS = {TaskType.CLEAN: "SinkBasin", TaskType.HEAT: "Microwave", TaskType.COOL: "Fridge"}
_PROPERTIES = {TaskType.CLEAN: "Cleanable", TaskType.HEAT: "Heatable", TaskType.COOL: "Coolable"}


@dataclass(frozen=True, order=True)
class Draw:
    """A task before anything is put in its place. Classes are spelt as AI2-THOR spells them."""

    task_type: TaskType
    object_class: str
    place_class: str
    """Where the object belongs; for `LOOK` the lamp."""
    scene: int


def is_unseen(scene: int) -> bool:
    """Whether alfworld counts the room among its test scenes: the first six of each kind."""
    return scene % 100 <= 6


def draw(rng: random.Random, task_type: TaskType, *, unseen: bool) -> Draw:
    """A task of the type, with every room, then every kind of object in it, equally likely."""
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
        elif task_type is not TaskType.LOOK and len(homes) > 1:
            yield from (Draw(task_type, thing, home, room.scene) for home in sorted(homes))
