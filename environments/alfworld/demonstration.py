"""A game's walkthrough, divided into the subgoals that it reaches one after the other."""

from __future__ import annotations

from environments.alfworld import subgoals
from environments.alfworld.game import Game
from environments.benchmark import DemonstrationStep

_REACHING = frozenset({"take", "clean", "heat", "cool", "move", "use"})
"""Verbs of the actions that reach a subgoal; the actions before them lead there."""


def demonstrate(game: Game) -> tuple[DemonstrationStep, ...]:
    """The walkthrough's actions, each with the subgoal of the next action that reaches one."""
    steps: list[DemonstrationStep] = []
    pending: list[str] = []
    taken = 0
    for action in game.walkthrough:
        pending.append(action)
        verb, _, rest = action.partition(" ")
        if verb in _REACHING:
            subgoal = _subgoal(verb, rest, another=taken > 0)
            taken += verb == "take"
            steps += [DemonstrationStep(subgoal, leading) for leading in pending]
            pending = []
    return (*steps, *(DemonstrationStep(subgoals.explore(), action) for action in pending))


def _subgoal(verb: str, rest: str, *, another: bool) -> str:
    object_type = rest.split()[0]
    if verb == "take":
        return subgoals.take(object_type, another=another)
    if verb == "use":
        return subgoals.switch_on(object_type)
    if verb == "move":
        return subgoals.put(object_type, rest.rpartition(" to ")[2].split()[0])
    return subgoals.treat(verb, object_type)
