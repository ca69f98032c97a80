"""Goals of ALFWorld problems: six forms in PDDL, which differ only in the types they mention."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.alfworld.task_types import TaskType


@dataclass(frozen=True)
class Goal:
    """A goal without its logic: which object belongs where. Names of types are lower case, such as `mug`."""

    task_type: TaskType
    object_type: str
    place_type: str
    """Type of the receptacle where the object belongs; for `LOOK`, of the lamp."""


_PLACED = """(:goal (and (exists (?r - receptacle) (exists (?o - object) (and
    {conditions} (objectType ?o <o>) (receptacleType ?r <r>) {after} (inReceptacle ?o ?r) ) ) ) ) ) )"""

_SHAPES: dict[TaskType, str] = {
    TaskType.PICK: """(:goal (and (exists (?r - receptacle) (exists (?o - object) (and
        (inReceptacle ?o ?r) (objectType ?o <o>) (receptacleType ?r <r>) ) ) ) ) ) )""",
    TaskType.CLEAN: _PLACED.format(conditions="(cleanable ?o)", after="(isClean ?o)"),
    TaskType.HEAT: _PLACED.format(conditions="(heatable ?o)", after="(isHot ?o)"),
    TaskType.COOL: _PLACED.format(conditions="(coolable ?o)", after="(isCool ?o)"),
    TaskType.TWO: """(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and
        (objectType ?o1 <o>) (receptacleType ?r <r>) (inReceptacle ?o1 ?r)
        (exists (?o2 - object) (and (not (= ?o1 ?o2)) (objectType ?o2 <o>) (receptacleType ?r <r>)
        (inReceptacle ?o2 ?r) ) ) ) ) ) ) ) )""",
    TaskType.LOOK: """(:goal (and
        (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and
        (objectType ?ot <r>) (toggleable ?ot) (isToggled ?ot) (receptacleAtLocation ?r ?l)
        (atLocation ?a ?l) (inReceptacle ?ot ?r) ) )
        (exists (?o - object ?a - agent) (and (objectType ?o <o>) (holds ?a ?o) ) ) ) ) )""",
}

_TYPE_OF = re.compile(r"\((objectType|receptacleType) (\?\w+) (\w+)\)")


def _packed(goal: str) -> str:
    return "".join(goal.split())


_BY_SHAPE = {_packed(re.sub("<[or]>", "T", shape)): task_type for task_type, shape in _SHAPES.items()}


def parse_goal(text: str) -> Goal | None:
    """The goal that `text`, starting at `(:goal`, states; None if it has none of the six forms."""
    typed = _TYPE_OF.findall(text)
    task_type = _BY_SHAPE.get(_packed(_TYPE_OF.sub(r"(\1 \2 T)", text)))
    if task_type is None:
        return None
    place_variable = "?ot" if task_type is TaskType.LOOK else "?r"
    places = {name for _, variable, name in typed if variable == place_variable}
    objects = {name for _, variable, name in typed if variable != place_variable}
    if len(places) != 1 or len(objects) != 1:
        return None
    return Goal(task_type, *(name.pop().lower().removesuffix("type") for name in (objects, places)))


def goal_pddl(goal: Goal, object_type: str, place_type: str) -> str:
    """The goal as PDDL, with the problem's closing parenthesis; types are spelled as in its declarations."""
    return _SHAPES[goal.task_type].replace("<o>", object_type).replace("<r>", place_type)
