"""A game, compiled: everything about it that no action changes, and its initial state as bit masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from environments.alfworld.goals import Goal


@dataclass(frozen=True)
class Receptacle:
    """A place that can hold objects. Masks have bit i set for object i of the game."""

    index: int
    name: str
    type: str
    location: int
    openable: bool
    accepts: int
    """Mask of the objects that may be put here."""


@dataclass(frozen=True)
class Features:
    """Masks of the objects that have a lasting property, or have a changing one at the start."""

    pickupable: int
    cleanable: int
    heatable: int
    coolable: int
    toggleable: int
    sliceable: int
    knife: int
    container: int
    clean: int
    hot: int
    cool: int
    toggled: int
    sliced: int


@dataclass(frozen=True)
class Location:
    """A spot to stand at, and the receptacles in reach, in the order of their identifiers."""

    receptacles: tuple[Receptacle, ...]
    go_to: tuple[str, ...]
    """The sorted commands that lead away from here."""
    examine: tuple[str, ...]
    sinks: tuple[str, ...]
    microwaves: tuple[str, ...]
    fridges: tuple[str, ...]
    """Names of the receptacles here that clean, heat and cool."""


@dataclass(frozen=True, eq=False)
class Game:
    """Objects, receptacles and locations, each in the order of their identifiers, as texts list them."""

    goal: Goal
    goal_text: str
    walkthrough: tuple[str, ...]
    objects: tuple[str, ...]
    """Display names; the index is the object's bit in every mask."""
    object_types: tuple[str, ...]
    receptacles: tuple[Receptacle, ...]
    locations: tuple[Location, ...]
    features: Features
    targets: int
    """Mask of the objects that the goal is about."""
    lamps: int
    """Mask of the lamps that a `LOOK` goal accepts."""
    start: int
    """The location the player starts at."""
    contents: tuple[int, ...]
    """By receptacle: mask of what is in it at the start."""
    present: tuple[int, ...]
    """By location: mask of the objects that are there at the start."""
    opened: int
    """Mask over receptacles: open at the start."""
    inside: tuple[tuple[int, int], ...]
    """Pairs of an object that is a container, and the mask of the objects inside it."""

    @cached_property
    def object_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.objects)}

    @cached_property
    def receptacle_index(self) -> dict[str, int]:
        return {receptacle.name: receptacle.index for receptacle in self.receptacles}

    @cached_property
    def goal_receptacles(self) -> tuple[int, ...]:
        return tuple(r.index for r in self.receptacles if r.type == self.goal.place_type)

    def names(self, mask: int) -> list[str]:
        """Names of the objects in `mask`, in the order of their identifiers."""
        objects, found = self.objects, []
        while mask:
            lowest = mask & -mask
            found.append(objects[lowest.bit_length() - 1])
            mask ^= lowest
        return found
