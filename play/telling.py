"""What an episode's turns tell the models, in the benchmark's own way."""

from __future__ import annotations

from collections.abc import Sequence

from core.text import one_line
from environments.telling import Telling
from trajectory.episode import AdmissibleAction, Told


def told(telling: Telling, before: str, observation: str, goal: str) -> Told:
    """`observation` as it is told; `before` is the observation of the turn before, empty at the first."""
    seen, task = one_line(observation), one_line(goal)
    alone = telling.told("", seen, task)
    return Told(alone, telling.told(one_line(before), seen, task) if before else alone)


def shown(telling: Telling, admissible: Sequence[str]) -> tuple[AdmissibleAction, ...]:
    """The admissible actions that players are told of."""
    return tuple(
        AdmissibleAction(action, telling.follows(action), telling.place(action))
        for action in admissible
        if not telling.hidden(action)
    )
