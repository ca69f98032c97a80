"""The six kinds of tasks, with ALFRED's names."""

from __future__ import annotations

from enum import StrEnum

from environments.errors import UnknownTaskTypeError


class TaskType(StrEnum):
    """Kind of task; the value is also the first part of the task's folder name."""

    PICK = "pick_and_place_simple"
    """Put an object on or in a receptacle."""
    LOOK = "look_at_obj_in_light"
    """Hold an object where a lamp is that was switched on."""
    CLEAN = "pick_clean_then_place_in_recep"
    """Clean an object at a sink basin, then put it somewhere."""
    HEAT = "pick_heat_then_place_in_recep"
    """Heat an object with the microwave, then put it somewhere."""
    COOL = "pick_cool_then_place_in_recep"
    """Cool an object with the fridge, then put it somewhere."""
    TWO = "pick_two_obj_and_place"
    """Put two objects of one kind in the same receptacle."""


TREATMENTS = {
    TaskType.CLEAN: ("clean", "sinkbasin"),
    TaskType.HEAT: ("heat", "microwave"),
    TaskType.COOL: ("cool", "fridge"),
}
"""Verb and tool of the tasks in which an object must be treated."""


def read_task_type(name: str) -> TaskType:
    """The type with that name; raises `UnknownTaskTypeError`, which lists all types."""
    try:
        return TaskType(name)
    except ValueError:
        raise UnknownTaskTypeError(name, TaskType) from None
