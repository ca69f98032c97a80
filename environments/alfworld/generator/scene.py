"""Furnishes a room with places and objects: the initial state of a generated game."""

from __future__ import annotations

import random
from dataclasses import dataclass

from configuration.environment import GeneratorSettings
from environments.alfworld.generator.draw import LAMP, LAMP_PLACES, TOOLS, Draw
from environments.alfworld.generator.furniture import places_of
from environments.alfworld.generator.package import Place, Room, World
from environments.alfworld.task_types import TaskType

PLACES = {"tiny": 4, "short": 6, "medium": 12, "long": 100}
"""Largest number of places in a game of each horizon; 100 means all, as no room has more than 60."""

SPARE = 0.3
"""Probability of one more object of the wanted kind than the task needs."""


@dataclass(frozen=True)
class Thing:
    """An object, and the receptacle where it is at the start."""

    id: str
    type: str
    place: Place


@dataclass(frozen=True)
class Scene:
    """Receptacles, objects, and the player's start pose, from which nothing is in reach."""

    draw: Draw
    places: tuple[Place, ...]
    things: tuple[Thing, ...]
    start: tuple[float, float, int, int]


def furnish(rng: random.Random, draw: Draw, room: Room, world: World, settings: GeneratorSettings) -> Scene:
    """Puts the task's objects into places where they do not belong, then adds clutter."""
    places = places_of(room)
    wanted, needed = _task_things(rng, draw, places, world)
    others = [place for place in places if place not in needed]
    rng.shuffle(others)
    kept = [*needed, *others][: max(PLACES[settings.horizon], len(needed))]
    wanted += _clutter(rng, draw, room, world, kept, settings.clutter)
    taken: set[str] = set()
    things = tuple(_thing(rng, kind, place, taken) for kind, place in wanted)
    return Scene(draw, tuple(sorted(kept, key=lambda place: place.id)), things, _start(rng, places))


def _task_things(
    rng: random.Random, draw: Draw, places: tuple[Place, ...], world: World
) -> tuple[list[tuple[str, Place]], list[Place]]:
    """Class and start place of each object that the task needs, and all places that it needs, each once."""
    homes = [place for place in places if draw.object_class in world.accepts.get(place.type, ())]
    sources = [place for place in homes if place.type != draw.place_class]
    count = (2 if draw.task_type is TaskType.TWO else 1) + (rng.random() < SPARE)
    wanted = [(draw.object_class, rng.choice(sources)) for _ in range(count)]
    if draw.task_type is TaskType.LOOK:
        wanted.append((LAMP, rng.choice([place for place in places if place.type in LAMP_PLACES])))
    else:
        wanted_home = rng.choice([place for place in homes if place.type == draw.place_class])
        needed = [wanted_home, *(place for _, place in wanted)]
        if tool := TOOLS.get(draw.task_type):
            needed.append(rng.choice([place for place in places if place.type == tool]))
        return wanted, list(dict.fromkeys(needed))
    return wanted, list(dict.fromkeys(place for _, place in wanted))


def _clutter(
    rng: random.Random, draw: Draw, room: Room, world: World, places: list[Place], share: float
) -> list[tuple[str, Place]]:
    """One to three other objects in each of the given share of the places, unless nothing fits there."""
    found: list[tuple[str, Place]] = []
    for place in rng.sample(places, round(share * len(places))):
        suited = sorted((world.accepts.get(place.type, frozenset()) & room.classes) - {draw.object_class})
        if suited:
            found += [(rng.choice(suited), place) for _ in range(rng.randint(1, 3))]
    return found


def _thing(rng: random.Random, kind: str, place: Place, taken: set[str]) -> Thing:
    """An object with a position near its place and a unique id."""
    x, y, z = (float(part) for part in place.id.split("|")[1:4])
    while True:
        spot = (x + rng.uniform(-0.3, 0.3), y + rng.uniform(0, 0.2), z + rng.uniform(-0.3, 0.3))
        identifier = "|".join((kind, *(f"{coordinate:+06.2f}" for coordinate in spot)))
        if identifier not in taken:
            taken.add(identifier)
            return Thing(identifier, kind, place)


def _start(rng: random.Random, places: tuple[Place, ...]) -> tuple[float, float, int, int]:
    taken = {place.pose for place in places}
    while True:
        pose = (rng.randrange(-12, 13) / 4, rng.randrange(-12, 13) / 4, 90 * rng.randrange(4), 30)
        if pose not in taken:
            return pose
