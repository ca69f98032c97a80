"""Subgoals of one step: the teacher's subgoal is split into getting somewhere and acting there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from environments.alfworld.adviser import Advice
from environments.alfworld.subgoals import put, treat
from environments.alfworld.task_types import TREATMENTS

_GETTING_THERE = re.compile(r"(?:go to|open|examine) |look$")
"""Actions that only bring a player to a place or show what is there."""
_TAKE = re.compile(r"find and take (an?|another) (\w+)")
_TREAT = re.compile(r"(clean|heat|cool) the \w+")
_PUT = re.compile(r"put the \w+ in the (\w+)")
_LIGHT = re.compile(r"turn on the (\w+)")
_TOOLS = dict(TREATMENTS.values())


def step_of(advice: Advice) -> str:
    """The part of the advice's subgoal that its first action serves: what to find, where to go, what to do.

    A task then has four to eight subgoals instead of two to four, such as `find a mug`, `take a mug`,
    `go to the microwave`, `heat the mug`, `go to the shelf`, `put the mug in the shelf`.
    """
    there = _GETTING_THERE.match(advice.actions[0]) is None
    if found := _TAKE.fullmatch(advice.subgoal):
        return f"{'take' if there else 'find'} {found[1]} {found[2]}"
    if there:
        return advice.subgoal
    if found := _LIGHT.fullmatch(advice.subgoal):
        return f"find the {found[1]}"
    if found := _TREAT.fullmatch(advice.subgoal):
        return _go_to(_TOOLS[found[1]])
    found = _PUT.fullmatch(advice.subgoal)
    assert found is not None, advice.subgoal
    return _go_to(found[1])


def thinkable_steps(object_type: str, kinds: Sequence[str]) -> list[str]:
    """The steps that a clueless player might name in a room with places of these kinds."""
    return [
        *(f"{verb} a {object_type}" for verb in ("find", "take")),
        *(treat(verb, object_type) for verb in _TOOLS),
        *(_go_to(kind) for kind in kinds),
        *(put(object_type, kind) for kind in kinds),
    ]


def _go_to(kind: str) -> str:
    return f"go to the {kind}"
