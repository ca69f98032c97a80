"""Data of the installed alfworld package: rooms, which places can hold which objects, the game's rules.

The package's files are read without importing it, as that would create folders and set ALFWORLD_DATA.
"""

from __future__ import annotations

import ast
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from environments.errors import EnvironmentDataError, MissingDependencyError


@dataclass(frozen=True)
class Place:
    """A receptacle of a room. Coordinates are AI2-THOR's, in metres."""

    id: str
    """Name with coordinates, such as `Sink|-01.90|+00.97|-01.50|SinkBasin`."""
    type: str
    pose: tuple[float, float, int, int]
    """Pose of a player who uses it: x and z in metres, rotation and tilt of the head in degrees."""


@dataclass(frozen=True)
class Room:
    """One of AI2-THOR's 120 rooms."""

    scene: int
    """Number of the room: 1-30 are kitchens, 201-230 living rooms, 301-330 bedrooms, 401-430 bathrooms."""
    places: tuple[Place, ...]
    classes: frozenset[str]
    """Classes of objects and places that occur in the room, such as `Mug` or `Toaster`."""


@dataclass(frozen=True)
class World:
    """Everything that the generator builds games from."""

    rooms: tuple[Room, ...]
    accepts: dict[str, frozenset[str]]
    """Object classes that may be put into each receptacle class."""
    actions: dict[str, frozenset[str]]
    """Object classes with each property: `Heatable`, `Coolable`, `Cleanable`, `Toggleable`, `Sliceable`."""
    openable: frozenset[str]
    containers: frozenset[str]
    """Classes of objects that can hold other objects, such as bowls."""
    domain: str
    """PDDL domain."""
    grammar: str
    """Text grammar, with `UNKNOWN GOAL` where the task belongs."""


@lru_cache(maxsize=1)
def read_world() -> World:
    """Reads the package's files.

    Raises:
        MissingDependencyError: the package is not installed.
        EnvironmentDataError: it is of another version and lacks what is needed.
    """
    root = package_folder()
    constants = _literals(root / "gen" / "constants.py")
    try:
        containers = frozenset(constants["MOVABLE_RECEPTACLES"])
        accepts = {kind: frozenset(held) for kind, held in constants["VAL_RECEPTACLE_OBJECTS"].items()}
        actions = {kind: frozenset(things) for kind, things in constants["VAL_ACTION_OBJECTS"].items()}
        openable = frozenset(constants["OPENABLE_CLASS_LIST"]) - containers
    except KeyError as error:
        raise EnvironmentDataError(
            f"{root}/gen/constants.py does not define {error}: alfworld 0.4 is needed"
        ) from None
    layouts = sorted((root / "gen" / "layouts").glob("FloorPlan*-openable.json"))
    rooms = sorted((_room(path) for path in layouts), key=lambda room: room.scene)
    return World(
        rooms=tuple(rooms),
        accepts={kind: held for kind, held in accepts.items() if kind not in containers},
        actions=actions,
        openable=openable,
        containers=containers,
        domain=(root / "data" / "alfred.pddl").read_text(encoding="utf-8"),
        grammar=(root / "data" / "alfred.twl2").read_text(encoding="utf-8"),
    )


def package_folder() -> Path:
    found = importlib.util.find_spec("alfworld")
    if found is None or found.origin is None:
        raise MissingDependencyError(
            "generating ALFWorld games needs the alfworld package, which is not installed: "
            "pip install alfworld, or set ALFWORLD_DATA to real games"
        )
    return Path(found.origin).parent


def _room(openable: Path) -> Room:
    """Reads a room from a `FloorPlan…-openable.json`, which holds the poses, and its `…-objects.json`."""
    scene = openable.name.removeprefix("FloorPlan").partition("-")[0]
    poses = json.loads(openable.read_text())
    classes = json.loads(openable.with_name(f"FloorPlan{scene}-objects.json").read_text())
    places = (
        Place(place, _place_type(place), (x, z, int(turn), int(tilt)))
        for place, (x, z, turn, tilt) in poses.items()
    )
    return Room(int(scene), tuple(places), frozenset(classes))


def _place_type(place: str) -> str:
    """The class by which players know the place: a basin is named after what it is part of."""
    first, *_, last = place.split("|")
    return f"{first}Basin" if last.endswith("Basin") else first


def _literals(module: Path) -> dict[str, Any]:
    """The values that a module assigns to names and to entries of its dictionaries, without running it.

    `constants.py` builds some tables entry by entry, from literals and from entries of earlier tables.
    """
    values: dict[str, Any] = {}
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target, value = node.targets[0], _value(node.value, values)
        if value is None:
            continue
        if isinstance(target, ast.Name):
            values[target.id] = value
        elif entry := _entry(target):
            table = values.get(entry[0])
            if isinstance(table, dict):
                table[entry[1]] = value
    return values


def _value(node: ast.expr, known: dict[str, Any]) -> object | None:
    """The value of a literal or of an entry of a known dictionary; None for any other expression."""
    if entry := _entry(node):
        table = known.get(entry[0])
        return table.get(entry[1]) if isinstance(table, dict) else None
    try:
        literal: object = ast.literal_eval(node)
        return literal
    except ValueError:
        return None


def _entry(node: ast.expr) -> tuple[str, str] | None:
    """Name and key of an expression such as `TABLE['key']`; None for any other expression."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Constant)
    ):
        return node.value.id, str(node.slice.value)
    return None
