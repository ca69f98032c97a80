"""The wording of subgoals, shared by the demonstrations and all scripted players."""

from __future__ import annotations


def take(object_type: str, *, another: bool = False) -> str:
    return f"find and take {'another' if another else 'a'} {object_type}"


def treat(verb: str, object_type: str) -> str:
    """`verb` is clean, heat or cool."""
    return f"{verb} the {object_type}"


def put(object_type: str, place_type: str) -> str:
    return f"put the {object_type} in the {place_type}"


def switch_on(lamp_type: str) -> str:
    return f"turn on the {lamp_type}"


def explore() -> str:
    return "explore the room"
