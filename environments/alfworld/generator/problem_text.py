"""Writes a scene as a PDDL problem, in alfworld's form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from environments.alfworld.generator.package import World
from environments.alfworld.generator.scene import Scene
from environments.alfworld.goals import Goal, goal_pddl

_MANGLED = (("|", "_bar_"), ("-", "_minus_"), ("+", "_plus_"), (".", "_dot_"), (",", "_comma_"))

_NAMED_OBJECTS = {"Knife", "ButterKnife"}
_NAMED_PLACES = {"SinkBasin", "Microwave", "Fridge"}
"""Types that the domain's rules mention; every problem must declare them."""


def problem_text(scene: Scene, goal: Goal, world: World, trial: str) -> str:
    """The PDDL problem of `scene`; `trial` names it."""
    draw = scene.draw
    return "\n".join(
        (
            f"\n(define (problem plan_{trial})",
            "(:domain alfred)",
            "(:objects",
            *_indented(_declarations(scene)),
            "        )\n\n(:init\n",
            *_indented(_facts(scene, world)),
            "        )\n",
            goal_pddl(goal, f"{draw.object_class}Type", f"{draw.place_class}Type"),
        )
    )


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"        {line}" for line in lines)


def mangled(identifier: str) -> str:
    """The PDDL name of an AI2-THOR identifier."""
    for character, word in _MANGLED:
        identifier = identifier.replace(character, word)
    return identifier


def _location(pose: tuple[float, float, int, int]) -> str:
    """PDDL name of a spot: steps of 25 cm in x and z, quarter turns, and the tilt in degrees."""
    x, z, turn, tilt = pose
    return mangled(f"loc|{round(x / 0.25)}|{round(z / 0.25)}|{turn // 90}|{tilt}")


def _declarations(scene: Scene) -> Iterator[str]:
    yield "agent1 - agent"
    kinds = sorted({thing.type for thing in scene.things} | _NAMED_OBJECTS)
    yield from (f"{kind}Type - otype" for kind in kinds)
    kinds = sorted({place.type for place in scene.places} | _NAMED_PLACES)
    yield from (f"{kind}Type - rtype" for kind in kinds)
    yield from (f"{mangled(thing.id)} - object" for thing in scene.things)
    yield from (f"{mangled(place.id)} - receptacle" for place in scene.places)
    spots = {_location(pose) for pose in (scene.start, *(place.pose for place in scene.places))}
    yield from (f"{spot} - location" for spot in sorted(spots))


def _facts(scene: Scene, world: World) -> Iterator[str]:
    for place in scene.places:
        name = mangled(place.id)
        yield f"(receptacleType {name} {place.type}Type)"
        yield f"(receptacleAtLocation {name} {_location(place.pose)})"
        if place.type in world.openable:
            yield f"(openable {name})"
    for thing in scene.things:
        name = mangled(thing.id)
        yield f"(objectType {name} {thing.type}Type)"
        yield f"(inReceptacle {name} {mangled(thing.place.id)})"
        yield f"(objectAtLocation {name} {_location(thing.place.pose)})"
        yield from (f"({mark} {name})" for mark in _marks(thing.type, world))
    kinds = sorted({thing.type for thing in scene.things})
    for place_type in sorted({place.type for place in scene.places}):
        held = world.accepts.get(place_type, frozenset())
        yield from (f"(canContain {place_type}Type {kind}Type)" for kind in kinds if kind in held)
    yield f"(atLocation agent1 {_location(scene.start)})"


def _marks(kind: str, world: World) -> Iterator[str]:
    if kind not in world.actions["Toggleable"]:
        yield "pickupable"
    yield from (mark.lower() for mark, kinds in world.actions.items() if kind in kinds)
    if kind in world.containers:
        yield "isReceptacleObject"
