"""A scripted player that knows the rules but not where things are: it searches and remembers."""

from __future__ import annotations

import re

from environments.alfworld import subgoals
from environments.alfworld.goal_text import read_goal
from environments.alfworld.goals import Goal
from environments.alfworld.task_types import TREATMENTS, TaskType
from environments.benchmark import DemonstrationStep, StepInfo
from environments.errors import BenchmarkError

_SLOW_TO_SEARCH = {"fridge": 1, "microwave": 1, "safe": 1, "cabinet": 2, "drawer": 3}
"""Places that must be opened are searched last; the most numerous ones last of all."""

_SEEN = re.compile(r"(?:On|In) (?:the )?([a-z]+ \d+|it), you see (.*)\.")
_NAMED = re.compile(r"a ([a-z]+ \d+)")


class RulePolicy:
    """Sees only observations and admissible actions.

    It looks into every place once, the quick ones first, opens those that are closed, and remembers what it
    saw. It takes the object that the task names, treats it if necessary, and puts it where it belongs.
    """

    def begin(self, observation: str, info: StepInfo) -> None:
        goal = read_goal(info["goal"])
        if goal is None:
            raise BenchmarkError(
                f"the rule player does not understand the task {info['goal']!r}, "
                "which is not worded like those of ALFWorld"
            )
        self._goal: Goal = goal
        self._unsearched = _places(info["admissible_actions"])
        self._seen: dict[str, set[str]] = {}
        self._treated = False
        self._taken = 0
        self._filled: str | None = None
        self._here: str | None = None
        self._last = ""

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        self._remember(observation)
        actions = info["admissible_actions"]
        held = next((action.removeprefix("examine ") for action in actions if self._is_held(action)), None)
        step = self._get(actions) if held is None else self._deliver(held, actions)
        self._note(step.action)
        return step

    def _is_held(self, action: str) -> bool:
        return action.startswith(f"examine {self._goal.object_type} ")

    def _remember(self, observation: str) -> None:
        if (match := _SEEN.search(observation)) and self._here is not None:
            place = self._here if match[1] == "it" else match[1]
            self._seen[place] = set(_NAMED.findall(match[2]))

    def _note(self, action: str) -> None:
        """Remembers what the chosen action will change."""
        verb, _, rest = action.partition(" ")
        if verb in ("go", "open", "examine"):
            self._here = rest.removeprefix("to ")
            if self._here in self._unsearched:
                self._unsearched.remove(self._here)
        elif verb == "take":
            name, _, place = rest.partition(" from ")
            self._seen.get(place, set()).discard(name)
            self._taken += 1
        elif verb == "move":
            self._filled = rest.rpartition(" to ")[2]
            self._treated = False
        elif verb in ("clean", "heat", "cool"):
            self._treated = True

    def _get(self, actions: tuple[str, ...]) -> DemonstrationStep:
        goal = self._goal
        subgoal = subgoals.take(goal.object_type, another=self._taken > 0)
        for action in actions:
            if action.startswith(f"take {goal.object_type} ") and not self._keeps(action):
                return DemonstrationStep(subgoal, action)
        known = [place for place in self._holding(goal.object_type) if place != self._filled]
        return DemonstrationStep(subgoal, self._reach(known, actions) or self._search(actions))

    def _keeps(self, action: str) -> bool:
        return self._filled is not None and action.endswith(f" from {self._filled}")

    def _deliver(self, held: str, actions: tuple[str, ...]) -> DemonstrationStep:
        goal = self._goal
        if goal.task_type is TaskType.LOOK:
            return self._switch_on(actions)
        if goal.task_type in TREATMENTS and not self._treated:
            verb, tool = TREATMENTS[goal.task_type]
            subgoal = subgoals.treat(verb, goal.object_type)
            wanted = f"{verb} {held} with {tool} "
            action = next((action for action in actions if action.startswith(wanted)), None)
            return DemonstrationStep(subgoal, action or self._travel(tool, actions))
        subgoal = subgoals.put(goal.object_type, goal.place_type)
        wanted = f"move {held} to {self._filled or goal.place_type + ' '}"
        action = next((action for action in actions if action.startswith(wanted)), None)
        return DemonstrationStep(subgoal, action or self._travel(self._filled or goal.place_type, actions))

    def _switch_on(self, actions: tuple[str, ...]) -> DemonstrationStep:
        lamp = self._goal.place_type
        action = next((action for action in actions if action.startswith(f"use {lamp} ")), None)
        action = action or self._reach(self._holding(lamp), actions) or self._search(actions)
        return DemonstrationStep(subgoals.switch_on(lamp), action)

    def _holding(self, object_type: str) -> list[str]:
        """The places where an object of the type was seen and not taken."""
        return [
            place
            for place, names in self._seen.items()
            if any(name.split()[0] == object_type for name in names)
        ]

    def _reach(self, places: list[str], actions: tuple[str, ...]) -> str | None:
        for place in places:
            for action in (f"open {place}", f"go to {place}"):
                if action in actions:
                    return action
        return None

    def _search(self, actions: tuple[str, ...]) -> str:
        """The action that looks into the next place; a closed one here is opened first."""
        if self._here is not None and f"open {self._here}" in actions:
            return f"open {self._here}"
        for place in self._unsearched:
            for action in (f"open {place}", f"examine {place}", f"go to {place}"):
                if action in actions:
                    return action
        return "look"

    def _travel(self, place: str, actions: tuple[str, ...]) -> str:
        """The action that opens or goes to a place, which is named in full or by its type."""
        for verb in ("open", "go to"):
            wanted = f"{verb} {place}" if place[-1].isdigit() else f"{verb} {place} "
            for action in actions:
                if action == wanted or (wanted.endswith(" ") and action.startswith(wanted)):
                    return action
        return "look"


def _places(actions: tuple[str, ...]) -> list[str]:
    """Every place that the player can go to, in the order of the search."""
    places = [action.removeprefix("go to ") for action in actions if action.startswith("go to ")]
    return sorted(places, key=_slow_to_search)


def _slow_to_search(place: str) -> tuple[int, str]:
    """Sort key: how long such places take to search, then the name."""
    return _SLOW_TO_SEARCH.get(place.split()[0], 0), place
