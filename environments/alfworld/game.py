"""A compiled game: everything about it that no action changes, and its initial state as bit masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from environments.alfworld.goals import Goal


@dataclass(frozen=True)
class Receptacle:
    """A place that can hold objects. In masks, bit i stands for object i of the game."""

    index: int
    name: str
    type: str
    location: int
    """Index of the location to use it from; -1 if it cannot be reached."""
    openable: bool
    accepts: int
    """Mask of the objects that may be put here."""


@dataclass(frozen=True)
class Features:
    """Masks of objects: those with a lasting property, and those with a changing one at the start."""

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
    """A spot to stand at, with the receptacles in reach in the order of their identifiers."""

    receptacles: tuple[Receptacle, ...]
    go_to: tuple[str, ...]
    """Commands that lead away from here, sorted."""
    examine: tuple[str, ...]
    """Commands that examine a receptacle here."""
    sinks: tuple[str, ...]
    """Names of the sink basins here, which can clean."""
    microwaves: tuple[str, ...]
    """Names of the microwaves here, which can heat."""
    fridges: tuple[str, ...]
    """Names of the fridges here, which can cool."""


@dataclass(frozen=True, eq=False)
class Game:
    """Objects, receptacles and locations, each in the order of their identifiers, as the texts list them."""

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
    """Mask of the objects that can fulfil the goal."""
    lamps: int
    """Mask of the lamps that a `LOOK` goal accepts."""
    start: int
    """Index of the location where the player starts."""
    contents: tuple[int, ...]
    """Mask of the objects in each receptacle at the start."""
    present: tuple[int, ...]
    """Mask of the objects at each location at the start."""
    opened: int
    """Mask of the receptacles that are open at the start; bit i stands for receptacle i."""
    inside: tuple[tuple[int, int], ...]
    """Pairs of an object that is a container and the mask of the objects inside it."""

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
