"""Reads a run's episodes in blocks of consecutive places; a stamp of each block shows whether it changed."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from hiper.v1 import episode_pb2 as pb

from run_folder.store_file import StoreFile
from run_folder.turn_advantages import TurnAdvantages, TurnValues


@dataclass(frozen=True)
class Stamps:
    """The blocks of a store at one moment."""

    by_block: dict[int, str]
    """Stamp by number of the block; block b has the places from b * size to (b + 1) * size - 1."""
    episodes: int
    """Number of episodes that are stored."""
    trained: int
    """Number of episodes that have advantages, because an update has used them."""
    damage: tuple[str, ...]
    """Sentences about what cannot be read."""


@dataclass(frozen=True)
class StoredEpisode:
    """A place of a run with everything that the store knows about it."""

    number: int
    task_id: str
    message: pb.Episode | None
    """Episode; None if what is stored cannot be decoded, or nothing is."""
    advantages: tuple[TurnAdvantages, ...]
    """Advantages of each turn; empty if no update has used the episode."""
    set_aside: str | None
    """Reason why no update can use the episode, if there is one."""
    played: bool = True
    """Whether there is an episode; if not, its environment broke, and the place was set aside."""


class EpisodeBlocks:
    """A store that is read block by block. What is damaged in it is left out and told; nothing is raised."""

    def __init__(self, path: Path) -> None:
        """Opens the file for reading only, also while the run's learner writes to it.

        Raises:
            HiperError: it cannot be opened, as in `StoreFile`.
        """
        self._file = StoreFile(path, "ro")

    @property
    def run_id(self) -> str:
        return self._file.run_id

    @property
    def lacks_values(self) -> bool:
        """Whether the store is of a version that did not keep the critic's values."""
        return not self._file.has("turn_values")

    def changes(self) -> int:
        """A number that grows when another process has written to the store since it was opened."""
        [(version,)] = self._file.rows("PRAGMA data_version")
        return int(version)

    def count(self) -> int:
        """The number of episodes that can be read."""
        rows, problem = self._file.readable_rows("SELECT count(*) FROM episodes")
        return len(self._lengths()[0]) if problem else int(rows[0][0])

    def reasons(self) -> dict[int, str]:
        """The reasons of all places that are set aside, as far as they can be read."""
        if not self._file.has("set_aside"):
            return {}
        return dict(self._file.readable_rows("SELECT number, reason FROM set_aside ORDER BY number")[0])

    def stamps(self, size: int) -> Stamps:
        """The stamps of all blocks of `size` places in which one has an episode or was set aside."""
        lengths, damage = self._lengths()
        contents: dict[int, list[Any]] = {}
        for number, length in sorted(lengths.items()):
            contents.setdefault(number // size, []).append((number, length))
        trained: set[int] = set()
        for table, columns in (
            ("advantages", "total(low), total(high), total(switch)"),
            ("turn_values", "total(low), total(high), total(switch)"),
            ("set_aside", "sum(length(reason))"),
        ):
            query = f"SELECT number, count(*), {columns} FROM {table} GROUP BY number"
            rows, problem = self._file.readable_rows(query) if self._file.has(table) else ([], "")
            for number, *content in rows:
                contents.setdefault(number // size, []).append((table, number, content))
            if table == "advantages":
                trained = {row[0] for row in rows}
            if problem:
                damage.append(
                    f"The table {table} of {self._file.path.name} can only be read in part: {problem}."
                )
        shown = {number // size for number in (*lengths, *self.reasons())}
        stamps = {block: _stamp(content) for block, content in contents.items() if block in shown}
        return Stamps(stamps, len(lengths), len(trained & lengths.keys()), tuple(damage))

    def _lengths(self) -> tuple[dict[int, int], list[str]]:
        """The length of each message, and what is damaged."""
        query = "SELECT number, length(message) FROM episodes ORDER BY number"
        found, problem = self._file.readable_rows(query)
        if not problem:
            return dict(found), []
        # A torn page ends a scan; from the other side it reaches the episodes behind that page.
        behind, _ = self._file.readable_rows(f"{query} DESC")
        sentence = f"Some episodes in {self._file.path.name} cannot be read: {problem}."
        return dict((*found, *behind)), [sentence]

    def block(self, block: int, size: int) -> list[StoredEpisode]:
        """The episodes of a block and the places that are set aside without one, in their order."""
        places = (block * size, (block + 1) * size - 1)
        query = "SELECT number, task_id, message FROM episodes WHERE number BETWEEN ? AND ? ORDER BY number"
        rows, problem = self._file.readable_rows(query, *places)
        if problem:
            rows = [row for number in range(places[0], places[1] + 1) for row in self._one(number)]
        advantages = self._advantages_between(places)
        reasons = {}
        if self._file.has("set_aside"):
            reasons = dict(
                self._file.readable_rows(
                    "SELECT number, reason FROM set_aside WHERE number BETWEEN ? AND ?", *places
                )[0]
            )
        found = [
            StoredEpisode(
                number, task, _decoded(message), tuple(advantages.get(number, ())), reasons.pop(number, None)
            )
            for number, task, message in rows
        ]
        broken = [StoredEpisode(number, "", None, (), reason, False) for number, reason in reasons.items()]
        return sorted((*found, *broken), key=lambda one: one.number)

    def _one(self, number: int) -> list[Any]:
        """The row of this place; without a message if that cannot be read."""
        row, problem = self._file.readable_rows(
            "SELECT number, task_id, message FROM episodes WHERE number = ?", number
        )
        return [(number, "", b"\xff")] if problem else row

    def _advantages_between(self, places: tuple[int, int]) -> dict[int, list[TurnAdvantages]]:
        values = "v.low, v.high, v.switch" if self._file.has("turn_values") else "NULL, NULL, NULL"
        join = " LEFT JOIN turn_values v USING (number, turn)" if self._file.has("turn_values") else ""
        query = (
            f"SELECT a.number, a.low, a.high, a.switch, {values} FROM advantages a{join} "
            "WHERE a.number BETWEEN ? AND ? ORDER BY a.number, a.turn"
        )
        turns = [(row[0], _advantages(row)) for row in self._file.readable_rows(query, *places)[0]]
        by_number = itertools.groupby(turns, lambda turn: turn[0])
        return {number: [advantages for _, advantages in group] for number, group in by_number}

    def close(self) -> None:
        self._file.close()


def _advantages(row: tuple[Any, ...]) -> TurnAdvantages:
    _, low, high, switch, v_low, v_high, v_switch = row
    values = None if v_low is None else TurnValues(v_low, v_high, v_switch)
    return TurnAdvantages(low, high, switch, values)


def _decoded(message: bytes) -> pb.Episode | None:
    try:
        return pb.Episode.FromString(message)
    except DecodeError:
        return None


def _stamp(content: list[Any]) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:12]
