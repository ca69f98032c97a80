"""Compiles the facts of a PDDL problem into a `Game`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from environments.alfworld.errors import GameFileError
from environments.alfworld.game import Features, Game, Location, Receptacle
from environments.alfworld.game_file import GameFile, parse_game_file
from environments.alfworld.names import display_names
from environments.alfworld.problem import Problem, parse_problem
from environments.alfworld.task_types import TaskType

KNIVES = frozenset({"knife", "butterknife"})
_NEEDED = {TaskType.CLEAN: "cleanable", TaskType.HEAT: "heatable", TaskType.COOL: "coolable"}


def load_game(text: str | bytes, origin: str) -> Game:
    """The compiled game of a `game.tw-pddl`.

    Args:
        text: Contents of the file.
        origin: Name of the game in error messages.

    Raises:
        GameFileError: names `origin` and what is wrong with the file.
    """
    return compile_game(parse_game_file(text, origin), origin)


def compile_game(file: GameFile, origin: str) -> Game:
    """As `load_game`, for a file that has been parsed."""
    return _Compiler(parse_problem(file.problem, origin), origin).game(file)


class _Compiler:
    """Numbers objects, receptacles and locations in the order of their identifiers.

    TextWorld lists facts in this order, so that walking over the bits of a mask gives the texts' order.
    Names are interned: the same few hundred occur in thousands of games, and comparing them is fast.
    """

    def __init__(self, problem: Problem, origin: str) -> None:
        self.problem = problem
        self.origin = origin
        pairs = problem.pairs
        # Of all identifiers in the problem: the number in a name depends on how many its class has.
        self.names = display_names(
            name
            for facts in (*pairs.values(), ((mark,) for marks in problem.marks.values() for mark in marks))
            for fact in facts
            for name in fact
        )
        self.object_types = self._types("objectType")
        self.receptacle_types = self._types("receptacleType")
        self.where = self._single(pairs["receptacleAtLocation"], "receptacle location")
        self.start = self._start()
        # Objects without a type exist too: they can be seen, but the goal never asks for them.
        held = {
            name
            for name, _ in (*pairs["inReceptacle"], *pairs["objectAtLocation"], *pairs["inReceptacleObject"])
        }
        self.objects = sorted({*self.object_types, *held})
        self.receptacles = sorted(self.receptacle_types)
        # The start need not be at a receptacle, nor a place where an object lies.
        spots = {*self.where.values(), self.start, *(spot for _, spot in pairs["objectAtLocation"])}
        self.locations = {spot: index for index, spot in enumerate(sorted(spots))}
        self.bits = {name: 1 << index for index, name in enumerate(self.objects)}
        self._check_known()

    def game(self, file: GameFile) -> Game:
        problem = self.problem
        places = self._receptacles()
        goal = problem.goal
        # The goals `clean`, `heat` and `cool` ask for an object to which that can be done; others do not.
        needed = problem.marks.get(_NEEDED.get(goal.task_type, ""), None)
        targets = [name for name in self.objects if self.object_types.get(name) == goal.object_type]
        lamps = [
            name for name in problem.marks["toggleable"] if self.object_types.get(name) == goal.place_type
        ]
        return Game(
            goal=goal,
            goal_text=file.goal_text,
            walkthrough=file.walkthrough,
            objects=tuple(self.names[name] for name in self.objects),
            object_types=tuple(sys.intern(self.object_types.get(name, "")) for name in self.objects),
            receptacles=places,
            locations=self._locations(places),
            features=self._features(),
            targets=self._mask(name for name in targets if needed is None or name in needed),
            lamps=self._mask(lamps) if goal.task_type is TaskType.LOOK else 0,
            start=self.locations[self.start],
            contents=self._masks(problem.pairs["inReceptacle"], self.receptacles),
            present=self._masks(problem.pairs["objectAtLocation"], list(self.locations)),
            opened=sum(1 << i for i, name in enumerate(self.receptacles) if name in problem.marks["opened"]),
            inside=self._inside(),
        )

    def _types(self, predicate: str) -> dict[str, str]:
        types = self._single(self.problem.pairs[predicate], predicate)
        return {name: kind.removesuffix("type") for name, kind in types.items()}

    def _single(self, facts: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in facts:
            if values.setdefault(name, value) != value:
                raise GameFileError(self.origin, f"its PDDL problem gives two values of {what} for {name}")
        return values

    def _start(self) -> str:
        starts = [location for _, location in self.problem.pairs["atLocation"]]
        if len(starts) != 1:
            raise GameFileError(self.origin, f"its PDDL problem places {len(starts)} agents instead of one")
        return starts[0]

    def _check_known(self) -> None:
        """Refuses receptacles without a type and things without a name, which would be played wrongly."""
        objects, receptacles = set(self.objects), set(self.receptacles)
        used = {*self.where, *(receptacle for _, receptacle in self.problem.pairs["inReceptacle"])}
        if strange := sorted(used - receptacles) + sorted((objects | receptacles) - set(self.names)):
            raise GameFileError(
                self.origin, f"its PDDL problem does not say what kind of thing {strange[0]} is"
            )
        if both := sorted(objects & receptacles):
            raise GameFileError(
                self.origin, f"its PDDL problem uses {both[0]} both as an object and as a receptacle"
            )

    def _mask(self, names: Iterable[str]) -> int:
        return sum(self.bits.get(name, 0) for name in set(names))

    def _masks(self, facts: Iterable[tuple[str, str]], holders: list[str]) -> tuple[int, ...]:
        masks = dict.fromkeys(holders, 0)
        # A dictionary, because facts name the holder; it keeps their order, which is that of their numbers.
        for name, holder in facts:
            masks[holder] |= self.bits[name]
        return tuple(masks.values())

    def _inside(self) -> tuple[tuple[int, int], ...]:
        masks: dict[str, int] = {}
        for inner, outer in self.problem.pairs["inReceptacleObject"]:
            masks[outer] = masks.get(outer, 0) | self.bits[inner]
        return tuple(
            (self.bits[outer].bit_length() - 1, mask) for outer, mask in masks.items() if outer in self.bits
        )

    def _features(self) -> Features:
        marks: Mapping[str, frozenset[str]] = self.problem.marks
        return Features(
            **{name: self._mask(marks[name]) for name in ("pickupable", "cleanable", "heatable", "coolable")},
            **{name: self._mask(marks[name]) for name in ("toggleable", "sliceable")},
            **{name: self._mask(marks["is" + name.capitalize()]) for name in ("clean", "hot", "cool")},
            **{name: self._mask(marks["is" + name.capitalize()]) for name in ("toggled", "sliced")},
            knife=self._mask(name for name, kind in self.object_types.items() if kind in KNIVES),
            container=self._mask(marks["isReceptacleObject"]),
        )

    def _receptacles(self) -> tuple[Receptacle, ...]:
        accepts: dict[str, int] = {}
        bits_of_type: dict[str, int] = {}
        for name, kind in self.object_types.items():
            bits_of_type[kind] = bits_of_type.get(kind, 0) | self.bits[name]
        for place, kind in self.problem.pairs["canContain"]:
            place = place.removesuffix("type")
            accepts[place] = accepts.get(place, 0) | bits_of_type.get(kind.removesuffix("type"), 0)
        openable = self.problem.marks["openable"]
        return tuple(
            Receptacle(
                index=index,
                name=self.names[name],
                type=sys.intern(self.receptacle_types[name]),
                location=self.locations[self.where[name]] if name in self.where else -1,
                openable=name in openable,
                accepts=accepts.get(self.receptacle_types[name], 0),
            )
            for index, name in enumerate(self.receptacles)
        )

    def _locations(self, places: tuple[Receptacle, ...]) -> tuple[Location, ...]:
        go_to = sorted(
            (sys.intern(f"go to {place.name}"), place.location) for place in places if place.location >= 0
        )
        return tuple(self._location(index, places, go_to) for index in range(len(self.locations)))

    def _location(self, index: int, places: tuple[Receptacle, ...], go_to: list[tuple[str, int]]) -> Location:
        here = tuple(place for place in places if place.location == index)

        def of_type(kind: str) -> tuple[str, ...]:
            return tuple(place.name for place in here if place.type == kind)

        return Location(
            receptacles=here,
            go_to=tuple(command for command, location in go_to if location != index),
            examine=tuple(sys.intern(f"examine {place.name}") for place in here),
            sinks=of_type("sinkbasin"),
            microwaves=of_type("microwave"),
            fridges=of_type("fridge"),
        )
