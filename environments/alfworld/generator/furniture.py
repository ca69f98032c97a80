"""All receptacles of a room: those with a known pose, and those of which only the class is known."""

from __future__ import annotations

import random
from functools import cache

from environments.alfworld.generator.package import Place, Room

UNMEASURED = {
    "CoffeeMachine": 1,
    "GarbageCan": 1,
    "HandTowelHolder": 1,
    "StoveBurner": 4,
    "Toaster": 1,
    "Toilet": 1,
    "ToiletPaperHanger": 1,
    "TowelHolder": 1,
}
"""Classes for which alfworld's layouts give no pose, with their number in a room that has any."""


@cache
def places_of(room: Room) -> tuple[Place, ...]:
    """The room's receptacles; those without a known pose get made-up ones, always the same for a room."""
    rng = random.Random(f"furniture of {room.scene}")
    measured = {place.type for place in room.places}
    added = [
        _place(rng, kind, room)
        for kind, count in UNMEASURED.items()
        if kind in room.classes and kind not in measured
        for _ in range(count)
    ]
    return (*room.places, *added)


def _place(rng: random.Random, kind: str, room: Room) -> Place:
    """A place of the kind, used from a random spot that no place with a known pose is used from."""
    taken = {place.pose for place in room.places}
    while True:
        pose = (
            rng.randrange(-16, 17) / 4,
            rng.randrange(-16, 17) / 4,
            90 * rng.randrange(4),
            rng.choice((30, 45, 60)),
        )
        if pose not in taken:
            x, y, z = pose[0], rng.uniform(0, 1.5), pose[1]
            return Place(f"{kind}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}", kind, pose)
