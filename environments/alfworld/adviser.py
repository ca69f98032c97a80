"""Advice for a player, based only on the transcript of its episode and on where objects usually are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from environments.alfworld import subgoals
from environments.alfworld.goal_text import read_goal
from environments.alfworld.goals import Goal
from environments.alfworld.memory import Memory, kind_of
from environments.alfworld.placements import training_placements
from environments.alfworld.task_types import TREATMENTS, TaskType
from environments.errors import BenchmarkError

__all__ = ["Advice", "Memory", "advise"]

OPENABLE = frozenset({"cabinet", "drawer", "fridge", "microwave", "safe"})
"""Kinds of places that can be closed."""


@dataclass(frozen=True)
class Advice:
    """The next step towards the goal."""

    subgoal: str
    actions: tuple[str, ...]
    """Admissible actions that serve the subgoal, the best first; never empty."""


def advise(goal_text: str, observations: Sequence[str], admissible: Sequence[str]) -> Advice:
    """The next subgoal and actions.

    Args:
        goal_text: Task in words.
        observations: All observations of the episode; the first one names the places.
        admissible: Actions that the environment accepts now.

    Raises:
        BenchmarkError: the goal is not worded like a goal of ALFWorld.
    """
    goal = read_goal(goal_text)
    if goal is None:
        raise BenchmarkError(
            f"there is no advice for the task {goal_text!r}, which is not worded as ALFWorld words its tasks"
        )
    return _Adviser(goal, Memory.of(observations), admissible).advice()


class _Adviser:
    """Of all useful places, approaches the one with the highest worth per step.

    As the player comes closer, fewer steps remain and the worth stays the same: the place stays the best one
    until it was opened and looked into, or used. A player that follows the advice never walks in circles.
    """

    def __init__(self, goal: Goal, memory: Memory, admissible: Sequence[str]) -> None:
        self._goal, self._memory, self._admissible = goal, memory, frozenset(admissible)

    def advice(self) -> Advice:
        held, goal = self._memory.held, self._goal
        if held is None:
            return self._get()
        if kind_of(held) != goal.object_type:
            return self._put_down(held)
        if goal.task_type is TaskType.LOOK:
            return self._light()
        if goal.task_type in TREATMENTS:
            verb, tool = TREATMENTS[goal.task_type]
            if verb not in self._memory.treatments.get(held, ()):
                return self._treat(held, verb, tool)
        return self._put(held)

    def _get(self) -> Advice:
        wanted, home = self._goal.object_type, self._home()
        # The first of two objects must stay where it was put, or the player would carry it off again.
        takes = [
            action for action in self._starting(f"take {wanted} ") if action.rpartition(" from ")[2] != home
        ]
        known = [place for place in self._memory.holding(wanted) if place != home]
        return Advice(
            subgoals.take(wanted, another=home is not None),
            _first_possible(takes, self._to(known), self._search(wanted)),
        )

    def _home(self) -> str | None:
        """In tasks with two objects: the place of the first one, where the second must go too; else None.

        Prefers a place away from the player, so that an object that lies here can be taken there.
        """
        if self._goal.task_type is not TaskType.TWO:
            return None
        holding = self._memory.holding(self._goal.object_type)
        filled = [place for place in holding if kind_of(place) == self._goal.place_type]
        return min(filled, key=lambda place: (not self._is_away(place), _numbered(place)), default=None)

    def _put_down(self, held: str) -> Advice:
        """Puts down an object that is not needed, at the first place that accepts it.

        The transcript does not say which places do. Those whose contents the player saw while holding the
        object probably do not: they are tried again after all others, the one seen longest ago first.
        """
        memory, likely = self._memory, training_placements()
        untried = [place for place in memory.places if memory.shown.get(place, 0) <= memory.held_since]
        actions = _first_possible(
            self._starting(f"move {held} to "),
            self._to(untried, lambda place: likely.share(kind_of(held), kind_of(place))),
            self._approach(sorted(memory.places, key=lambda place: memory.shown.get(place, 0))),
        )
        place = next((place for place in memory.places if actions[0].endswith(f" {place}")), memory.places[0])
        return Advice(subgoals.put(kind_of(held), kind_of(place)), actions)

    def _light(self) -> Advice:
        lamp = self._goal.place_type
        uses = self._starting(f"use {lamp} ")
        known = self._memory.holding(lamp)
        actions = _first_possible(uses, self._to(known), self._search(lamp))
        return Advice(subgoals.switch_on(lamp), actions)

    def _treat(self, held: str, verb: str, tool: str) -> Advice:
        treats = self._starting(f"{verb} {held} with {tool} ")
        actions = _first_possible(treats, self._to(self._of_kind(tool)))
        return Advice(subgoals.treat(verb, kind_of(held)), actions)

    def _put(self, held: str) -> Advice:
        kind, home = self._goal.place_type, self._home()
        places = self._of_kind(kind) if home is None else [home]
        moves = [action for place in places if (action := f"move {held} to {place}") in self._admissible]
        return Advice(subgoals.put(kind_of(held), kind), _first_possible(moves, self._to(places)))

    def _search(self, wanted: str) -> list[str]:
        likely = training_placements()
        unknown = [place for place in self._memory.places if place not in self._memory.shown]
        return self._to(unknown, lambda place: likely.share(wanted, kind_of(place)))

    def _of_kind(self, kind: str) -> list[str]:
        return [place for place in self._memory.places if kind_of(place) == kind]

    def _to(self, places: Iterable[str], worth: Callable[[str], float] = lambda _: 1.0) -> list[str]:
        """The actions that reveal the contents of the places, those with the highest worth per step first.

        Among equals, places here come before places elsewhere, and low numbers before high ones.
        """
        return self._approach(
            sorted(places, key=lambda p: (-worth(p) / self._steps(p), self._is_away(p), *_numbered(p)))
        )

    def _approach(self, places: Iterable[str]) -> list[str]:
        """For each place: opens it if it is here, else walks there; no action if its contents are in view."""
        actions = []
        for place in places:
            choices = [f"open {place}", f"go to {place}"]
            if place not in self._memory.shown:
                choices.append(f"examine {place}")
            actions += [action for action in choices if action in self._admissible][:1]
        return actions

    def _steps(self, place: str) -> int:
        """Number of steps until the contents of the place can be seen and taken."""
        if not self._is_away(place):
            return 1
        memory = self._memory
        closed = place in memory.closed or (place not in memory.shown and kind_of(place) in OPENABLE)
        return 2 if closed else 1

    def _is_away(self, place: str) -> bool:
        return f"go to {place}" in self._admissible

    def _starting(self, beginning: str) -> list[str]:
        return sorted(action for action in self._admissible if action.startswith(beginning))


def _first_possible(*choices: Sequence[str]) -> tuple[str, ...]:
    """The first of the choices that is not empty; `look` if all of them are."""
    return next((tuple(choice) for choice in choices if choice), ("look",))


def _numbered(place: str) -> tuple[str, int]:
    kind, _, number = place.partition(" ")
    return kind, int(number)
