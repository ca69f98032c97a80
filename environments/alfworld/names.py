"""The names that players read, such as `sinkbasin 1`, for the identifiers of a problem."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable


def display_names(identifiers: Iterable[str]) -> dict[str, str]:
    """The name of each identifier, with the numbers that alfworld's Demangler gives.

    Identifiers are lower case, such as `mug_bar__plus_01_dot_36…`. Those of one class are numbered downwards
    in the order of the identifiers, so that the last one gets 1. Identifiers of classes get no name.
    """
    ordered = sorted(set(identifiers))
    classes = {identifier: _class_name(identifier) for identifier in ordered}
    left = Counter(name for name in classes.values() if name is not None)
    names = {}
    for identifier, name in classes.items():
        if name is not None:
            names[identifier] = sys.intern(f"{name} {left[name]}")
            left[name] -= 1
    return names


def _class_name(identifier: str) -> str | None:
    name, bar, _ = identifier.partition("_bar_")
    if not bar:
        return None
    return name + "basin" if "basin" in identifier else name
