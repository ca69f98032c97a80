"""The interface of a source of games, and the names of the released games."""

from __future__ import annotations

from typing import Protocol

from environments.benchmark import Task

SPLITS = ("train", "valid_seen", "valid_unseen", "valid_train")
"""Splits of the release; `valid_train` is a rarely used part of ALFRED's training set."""

GAME_FILE = "game.tw-pddl"


class GameSource(Protocol):
    """Games by task id, such as `valid_seen/pick_and_place_simple-Mug-None-Desk-308/trial_T2019…`."""

    def tasks(self) -> tuple[Task, ...]:
        """All tasks of all splits, sorted."""
        ...

    def read(self, task_id: str) -> bytes:
        """Contents of the game file of a task that `tasks` lists."""
        ...


def task_of(task_id: str) -> Task | None:
    """The task with this id; None for games that alfworld skips (sliced objects, movable receptacles)."""
    parts = task_id.split("/")
    if len(parts) != 3 or parts[0] not in SPLITS or "movable" in task_id or "Sliced" in task_id:
        return None
    return Task(id=task_id, type=parts[1].partition("-")[0], split=parts[0])
