"""The two kinds of model server."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """What a model server is for; the values name adapters, folders and sections."""

    PLANNER = "planner"
    """Keeps or switches the subgoal."""
    EXECUTOR = "executor"
    """Acts on the subgoal."""
