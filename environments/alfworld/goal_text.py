"""Goals in words: writing and reading the wordings that ALFWorld uses."""

from __future__ import annotations

import re

from environments.alfworld.goals import Goal
from environments.alfworld.task_types import TaskType

TEMPLATES: dict[TaskType, tuple[str, str]] = {
    TaskType.PICK: ("put a {object} in {place}", "put some {object} on {place}"),
    TaskType.LOOK: ("look at {object} under the {place}", "examine the {object} with the {place}"),
    TaskType.CLEAN: ("put a clean {object} in {place}", "clean some {object} and put it in {place}"),
    TaskType.HEAT: ("put a hot {object} in {place}", "heat some {object} and put it in {place}"),
    TaskType.COOL: ("put a cool {object} in {place}", "cool some {object} and put it in {place}"),
    TaskType.TWO: ("put two {object} in {place}", "find two {object} and put them in {place}"),
}
"""The two wordings of each task type, from alfworld's goal library."""

_PATTERNS = [
    (task_type, re.compile(template.format(object=r"(\w+)", place=r"(\w+)") + r"\.?"))
    for task_type, templates in TEMPLATES.items()
    for template in templates
]


def word_goal(goal: Goal, wording: int) -> str:
    """The task in words, in the first or second wording (0 or 1)."""
    return TEMPLATES[goal.task_type][wording].format(object=goal.object_type, place=goal.place_type)


def read_goal(text: str) -> Goal | None:
    """The goal that `text` states, or None if it has none of the known wordings."""
    for task_type, pattern in _PATTERNS:
        if match := pattern.fullmatch(text.strip()):
            return Goal(task_type, match[1], match[2])
    return None
