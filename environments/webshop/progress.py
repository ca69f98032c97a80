"""Progress bars for loading the full catalogue, which takes minutes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")
QUICK = 20_000
"""Number of items below which no bar is shown, because they take only seconds."""


def shown(items: Iterable[Item], what: str, total: int | None) -> Iterable[Item]:
    """The items, with a progress bar on standard error if there are many; `total` is None if unknown."""
    if total is not None and total < QUICK:
        return items
    return track(items, what, total=total, console=Console(stderr=True), transient=True)
