"""What a player should do, judged only by what the transcript of its episode shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from environments.alfworld import subgoals
from environments.alfworld.goal_text import read_goal
from environments.alfworld.goals import Goal
from environments.alfworld.task_types import TREATMENTS, TaskType
from environments.errors import BenchmarkError

_CONTENTS = re.compile(r"(?:On the |The )([a-z]+ \d+)(?: is open\. In it)?, you see (.*)\.")
_NAMED = re.compile(r"a ([a-z]+ \d+)")
_TAKE = re.compile(r"You pick up the ([a-z]+ \d+) from the ([a-z]+ \d+)\.")
_MOVE = re.compile(r"You move the ([a-z]+ \d+) to the ([a-z]+ \d+)\.")
_TREAT = re.compile(r"You (clean|heat|cool) the ([a-z]+ \d+) using")


@dataclass(frozen=True)
class Advice:
    """What serves the task next."""

    subgoal: str
    actions: tuple[str, ...]
    """At least one, sorted; all of them are admissible and equally good."""


@dataclass
class Memory:
    """What a transcript tells: names are such as `mug 1`, types such as `mug`."""

    places: tuple[str, ...] = ()
    contents: dict[str, set[str]] = field(default_factory=dict)
    """By place; a place that nobody has looked into is not in it."""
    held: str | None = None
    treatments: dict[str, set[str]] = field(default_factory=dict)
    """By object: `clean`, and `heat` or `cool`, whichever was last."""

    @classmethod
    def of(cls, observations: Sequence[str]) -> Memory:
        """From all observations of an episode, the first of which names the places."""
        memory = cls(places=tuple(_NAMED.findall(observations[0].partition("Your task")[0])))
        for observation in observations:
            memory.note(observation)
        return memory

    def note(self, observation: str) -> None:
        if found := _CONTENTS.search(observation):
            self.contents[found[1]] = set(_NAMED.findall(found[2]))
        elif found := _TAKE.search(observation):
            self.held = found[1]
            self.contents.get(found[2], set()).discard(found[1])
        elif found := _MOVE.search(observation):
            self.held = None
            self.contents.setdefault(found[2], set()).add(found[1])
        elif found := _TREAT.search(observation):
            done = self.treatments.setdefault(found[2], set())
            if found[1] != "clean":
                done -= {"heat", "cool"}
            done.add(found[1])

    def holding(self, object_type: str) -> list[str]:
        """Places where an object of the type lies."""
        return [place for place, names in self.contents.items() if any(_is(n, object_type) for n in names)]


def advise(goal_text: str, observations: Sequence[str], admissible: Sequence[str]) -> Advice:
    """The next subgoal and actions.

    Args:
        goal_text: The task.
        observations: Of the whole episode, the first of which names the places.
        admissible: The actions that the environment accepts now.

    Raises:
        BenchmarkError: the goal is none of ALFWorld's.
    """
    goal = read_goal(goal_text)
    if goal is None:
        raise BenchmarkError(f"the task {goal_text!r} is none that advice can be given on")
    return _Adviser(goal, Memory.of(observations), admissible).advice()


class _Adviser:
    def __init__(self, goal: Goal, memory: Memory, admissible: Sequence[str]) -> None:
        self._goal, self._memory, self._admissible = goal, memory, frozenset(admissible)

    def advice(self) -> Advice:
        held, goal = self._memory.held, self._goal
        if held is None:
            return self._get()
        if not _is(held, goal.object_type):
            return self._put_down(held)
        if goal.task_type is TaskType.LOOK:
            return self._light()
        if goal.task_type in TREATMENTS:
            verb, tool = TREATMENTS[goal.task_type]
            if verb not in self._memory.treatments.get(held, ()):
                return self._treat(held, verb, tool)
        return self._put(held)

    def _get(self) -> Advice:
        wanted = self._goal.object_type
        filled = self._filled()
        subgoal = subgoals.take(wanted, another=bool(filled))
        takes = [
            action
            for action in self._starting(f"take {wanted} ")
            if action.rpartition(" from ")[2] not in filled
        ]
        known = [place for place in self._memory.holding(wanted) if place not in filled]
        return Advice(subgoal, self._first_possible(takes, self._to(known), self._search()))

    def _put_down(self, held: str) -> Advice:
        moves = self._starting(f"move {held} to ")
        place = moves[0].rpartition(" to ")[2].split()[0] if moves else _type(self._memory.places[0])
        return Advice(
            subgoals.put(_type(held), place), self._first_possible(moves, self._to(self._memory.places))
        )

    def _light(self) -> Advice:
        lamp = self._goal.place_type
        uses = self._starting(f"use {lamp} ")
        actions = self._first_possible(uses, self._to(self._memory.holding(lamp)), self._search())
        return Advice(subgoals.switch_on(lamp), actions)

    def _treat(self, held: str, verb: str, tool: str) -> Advice:
        treats = self._starting(f"{verb} {held} with {tool} ")
        return Advice(
            subgoals.treat(verb, _type(held)), self._first_possible(treats, self._to(self._of_type(tool)))
        )

    def _put(self, held: str) -> Advice:
        kind = self._goal.place_type
        places = sorted(self._filled()) or self._of_type(kind)
        moves = [
            f"move {held} to {place}" for place in places if f"move {held} to {place}" in self._admissible
        ]
        return Advice(subgoals.put(_type(held), kind), self._first_possible(moves, self._to(places)))

    def _filled(self) -> set[str]:
        """Where the first of two objects has been brought."""
        if self._goal.task_type is not TaskType.TWO:
            return set()
        holding = self._memory.holding(self._goal.object_type)
        return {place for place in holding if _is(place, self._goal.place_type)}

    def _search(self) -> list[str]:
        unsearched = [place for place in self._memory.places if place not in self._memory.contents]
        opening = [f"open {place}" for place in unsearched if f"open {place}" in self._admissible]
        return opening or list(self._to(unsearched))

    def _of_type(self, kind: str) -> list[str]:
        return [place for place in self._memory.places if _is(place, kind)]

    def _to(self, places: Sequence[str]) -> Iterator[str]:
        """One action for each place that brings the player there, or opens or examines what is here."""
        for place in places:
            for action in (f"open {place}", f"go to {place}", f"examine {place}"):
                if action in self._admissible:
                    yield action
                    break

    def _starting(self, beginning: str) -> list[str]:
        return sorted(action for action in self._admissible if action.startswith(beginning))

    def _first_possible(self, *choices: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
        for choice in choices:
            if actions := tuple(sorted(choice)):
                return actions
        return tuple(sorted(self._to(self._memory.places)))


def _type(name: str) -> str:
    return name.split()[0]


def _is(name: str, kind: str) -> bool:
    return _type(name) == kind
