"""Prepares observations and actions for the models' prompts, with the benchmark's `Telling`."""

from __future__ import annotations

from collections.abc import Sequence

from core.text import one_line
from environments.telling import Telling
from trajectory.episode import AdmissibleAction, Told


def told(telling: Telling, before: str, observation: str, goal: str) -> Told:
    """The observation for prompts: alone, and as told after the one `before`, which is empty at turn 0."""
    seen, task = one_line(observation), one_line(goal)
    alone = telling.told("", seen, task)
    return Told(alone, telling.told(one_line(before), seen, task) if before else alone)


def shown(telling: Telling, admissible: Sequence[str]) -> tuple[AdmissibleAction, ...]:
    """The admissible actions without hidden ones, each with what the prompt formats need to know about it."""
    return tuple(
        AdmissibleAction(action, telling.follows(action), telling.place(action))
        for action in admissible
        if not telling.hidden(action)
    )
