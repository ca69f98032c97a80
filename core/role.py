"""The two kinds of model server."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """A model server's part in an episode; the values also name adapters, folders and settings sections."""

    PLANNER = "planner"
    """Keeps or switches the subgoal."""
    EXECUTOR = "executor"
    """Chooses the action that pursues the subgoal."""
