"""The keys of a section tree: dotted names, defaults, help texts, and suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Key:
    """A value that can be set."""

    name: str
    """Dotted name, such as `planner.model`."""
    default: Any
    help: str
    field: FieldInfo

    @property
    def is_switch(self) -> bool:
        return self.field.annotation is bool

    @property
    def is_path(self) -> bool:
        return takes_path(self.field)

    @property
    def is_table(self) -> bool:
        """Whether the value is a table whose names are not ours, each of which can be set as `key.name`."""
        return get_origin(self.field.annotation) is dict


def takes_path(field: FieldInfo) -> bool:
    """Whether the values of a field are paths, or tuples of paths."""
    return Path in (field.annotation, *get_args(field.annotation))


def keys(section: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """All keys of a section and of its subsections, in the order of the source."""
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True)
            # The docstring's line breaks are those of the source.
            yield Key(prefix + name, default, " ".join((field.description or "").split()), field)


def value_of(section: BaseModel, name: str) -> Any:
    """The value of a dotted key."""
    value: Any = section
    for part in name.split("."):
        value = getattr(value, part)
    return value


def nearest(name: str, known: list[str]) -> str:
    """` Did you mean ...?` for a name that is close to a known one, otherwise the empty string."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:
        tails = {key.rpartition(".")[2]: key for key in known}
        tail = difflib.get_close_matches(name.rpartition(".")[2], list(tails), n=1, cutoff=0.6)
        close = [tails[match] for match in tail]
    return f" Did you mean {close[0]}?" if close else ""
