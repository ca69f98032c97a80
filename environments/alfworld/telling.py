"""Shortens ALFWorld's observations in prompts: leaves out the sentences that every episode repeats."""

from __future__ import annotations

import re

from environments.telling import Telling

_REPEATED = re.compile(
    r"^-= Welcome to TextWorld, ALFRED! =- "
    r"|You are in the middle of a room\. Looking quickly around you, "
    r"| Your task is to: .*$"
    r"|^You arrive at [a-z]+ \d+\. "
    r"|^You open the [a-z]+ \d+\. "
)
"""Sentences that are always the same, or that repeat the task or the action."""
_FOLLOWS = re.compile(r"(?:go to|examine) |(?:look|inventory)$")
_GO = "go to "


class AlfworldTelling(Telling):
    """Going to a place follows from the transcript, which names all places at the start."""

    def told(self, before: str, observation: str, goal: str) -> str:
        return _REPEATED.sub("", observation)

    def follows(self, action: str) -> bool:
        return _FOLLOWS.match(action) is not None

    def hidden(self, action: str) -> bool:
        """`help`, as in the reference's prompts: its text explains the commands and costs a turn."""
        return action == "help"

    def place(self, action: str) -> str:
        return action.removeprefix(_GO) if action.startswith(_GO) else ""
