"""Writes turns as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.exporting.rows import EpisodeRows, Row
from orchestrator.exporting.schema import LISTS, TURN_COLUMNS

FILE = "turns.jsonl"

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

_SCALARS = tuple(each.name for each in TURN_COLUMNS if each.kind not in LISTS)
_LISTS = tuple(
    (each.name, f',"{each.name}":', each.kind == "floats") for each in TURN_COLUMNS if each.kind in LISTS
)
"""Columns of lists: name, beginning of the JSON, and whether the numbers are floats."""


class _Texts(dict[int, str]):
    """Texts of numbers that have occurred: token ids recur, and looking one up is three times faster."""

    def __missing__(self, number: int) -> str:
        self[number] = text = str(number)
        return text


_texts = _Texts()


def encode(episodes: Sequence[EpisodeRows]) -> bytes:
    """The lines of these episodes, one per turn."""
    lines = []
    for episode in episodes:
        shared = _encode(episode.shared)[:-1]
        lines += [f"{shared},{_text(turn)}\n" for turn in episode.turns]
    return "".join(lines).encode()


def write(parts: Iterable[bytes], folder: Path) -> None:
    """Writes encoded episodes into one file in `folder`."""
    with (folder / FILE).open("wb") as file:
        file.writelines(parts)


def _text(turn: Row) -> str:
    """The columns of one turn as JSON, without the first brace."""
    scalars = _encode(dict(zip(_SCALARS, map(turn.__getitem__, _SCALARS), strict=True)))
    lists = "".join([f"{begin}{_list(turn[name], floats)}" for name, begin, floats in _LISTS])
    return f"{scalars[1:-1]}{lists}}}"


def _list(numbers: list[Any] | None, floats: bool) -> str:
    if numbers is None:
        return "null"
    if floats:
        # Nine digits give every float32 back exactly.
        return f"[{','.join([f'{number:.9g}' for number in numbers])}]"
    return f"[{','.join(map(_texts.__getitem__, numbers))}]"
