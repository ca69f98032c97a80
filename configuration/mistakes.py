"""Messages for values that were refused: the key, what was found, and what is accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from configuration.keys import nearest

_KINDS = {
    "bool": "true or false",
    "date": "a date such as 2026-11-29",
    "dict": "a section with keys of its own",
    "finite_number": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a section with keys of its own",
    "path": "a path",
    "string": "a text",
    "tuple": "a list",
}
"""What is accepted, by the beginning of pydantic's type of error, such as `int_parsing`."""

_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def explanation(problem: Mapping[str, Any], names: Sequence[str], dashes: str = "") -> str:
    """A line for one of pydantic's errors.

    Args:
        problem: One of `ValidationError.errors()`.
        names: All keys, to suggest the nearest one.
        dashes: Text before the key, `--` where it is only an option.
    """
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}.{_hint(key, names)}"
    if problem["type"] == "missing" and isinstance(problem["loc"][-1], int):
        whole, needed = key.rpartition(".")[0], problem["loc"][-1] + 1
        return f"{whole} = {problem['input']!r}: accepted are {needed} values"
    if not key:
        return _message(problem)
    shown = f"{dashes}{key.replace('_', '-') if dashes else key} = {problem['input']!r}"
    if accepted := _accepted(problem):
        return f"{shown}: accepted is {accepted}"
    return f"{shown}: {_message(problem)}"


def _hint(key: str, names: Sequence[str]) -> str:
    """A suggestion: the same name in another section, then a close one in this section, then in any."""
    same = [name for name in names if name.endswith(f".{key.rpartition('.')[2]}")]
    return nearest(key, same) or nearest(key, _beside(key, names)) or nearest(key, list(names))


def _beside(key: str, names: Sequence[str]) -> list[str]:
    """The keys and sections that are in the same section as a key, without what is in them."""
    section, depth = key.rpartition(".")[0], key.count(".") + 1
    inside = (name for name in names if not section or name.startswith(f"{section}."))
    return list(dict.fromkeys(".".join(name.split(".")[:depth]) for name in inside))


def _message(problem: Mapping[str, Any]) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")


def _accepted(problem: Mapping[str, Any]) -> str:
    """What would be accepted; empty if pydantic's own message says it."""
    kind, context = problem["type"], problem.get("ctx", {})
    for limit, words in _LIMITS.items():
        if limit in context:
            return f"{words} {context[limit]}"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "a text that is not empty"
    if kind == "literal_error":
        choices = [each for each in re.findall(r"'([^']*)'", context["expected"]) if each]
        return f"{' or '.join(', '.join(choices).rsplit(', ', 1))}.{nearest(str(problem['input']), choices)}"
    return _KINDS.get(kind, "") or _KINDS.get(re.sub(r"_(parsing|type|from_float).*", "", kind), "")
