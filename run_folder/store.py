"""Finished episodes in an SQLite file; each is on disk before it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from google.protobuf.message import DecodeError
from hiper.v1 import episode_pb2 as pb

from core.errors import CorruptDataError, NotFoundError
from run_folder.store_file import StoreFile, is_made, make
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from trajectory.episode import Episode, ending_of
from trajectory.wire import episode_from_pb


@dataclass(frozen=True)
class EpisodeSummary:
    """A stored episode without its turns."""

    number: int
    task_id: str
    task_type: str
    attempt: int
    won: bool
    terminated: bool
    """Whether it was won or lost; otherwise the step limit ended it."""
    score: float
    turns: int

    @property
    def ending(self) -> str:
        """The ending in words: `won`, `lost` or `out of turns`."""
        return ending_of(self.won, self.terminated)


class EpisodeStore:
    """The episodes of one run. Safe to use from several threads; one process writes."""

    def __init__(self, path: Path, run_id: str | None = None, *, mode: Literal["rw", "ro"] = "rw") -> None:
        """Opens the file, for writing (`rw`) or only for reading (`ro`).

        With a run id, a file that does not exist is created first.

        Raises:
            NotFoundError: the file does not exist, and there is no run id.
            PreconditionError: the file belongs to another run, or has another format.
            CorruptDataError: it is not an episode store.
            ExhaustedError: the disk is full.
            UnavailableError: another process holds the file's lock.
        """
        if run_id is not None and not is_made(path):
            make(path, run_id)
        self._file = StoreFile(path, mode, run_id)

    @classmethod
    def of_run(cls, path: Path, new_run_id: str) -> Self:
        """Opens the file of any run for writing; creates it for `new_run_id` if it does not exist.

        Raises:
            HiperError: as in the constructor.
        """
        return cls(path) if is_made(path) else cls(path, new_run_id)

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Opens the file for reading only, also while the run's learner writes to it.

        Raises:
            HiperError: as in the constructor.
        """
        return cls(path, mode="ro")

    @property
    def run_id(self) -> str:
        return self._file.run_id

    def add(self, episode: pb.Episode) -> bool:
        """Stores an episode, which is on disk when this returns. Returns False if its place has an episode.

        Raises:
            ExhaustedError: the disk is full; nothing was stored.
        """
        key = episode.key
        row = (
            episode.number,
            key.task_id,
            str(key.seed),
            key.attempt,
            episode.task_type,
            episode.won,
            episode.score,
            len(episode.turns),
            episode.SerializeToString(deterministic=True),
        )
        with self._file.writing() as db:
            cursor = db.execute(
                "INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            if cursor.rowcount == 1:
                # An environment broke at this place before the run was resumed.
                db.execute("DELETE FROM set_aside WHERE number = ?", (episode.number,))
            return cursor.rowcount == 1

    def numbers(self) -> frozenset[int]:
        """Places in the run that have an episode."""
        return frozenset(number for (number,) in self._file.rows("SELECT number FROM episodes"))

    def tasks(self) -> dict[int, str]:
        """Task ids by place of the run."""
        return dict(self._file.rows("SELECT number, task_id FROM episodes"))

    def load(self, numbers: Sequence[int]) -> tuple[Episode, ...]:
        """The episodes at these places, in this order.

        Raises:
            NotFoundError: a place has no episode; the message names the first such place.
            CorruptDataError: a place holds something else than an episode; the message names the first one.
        """
        return tuple(episode_from_pb(self.message(number)) for number in numbers)

    def message(self, number: int) -> pb.Episode:
        """The episode at this place as it was sent.

        Raises:
            NotFoundError: the place has none.
            CorruptDataError: what is stored there is not an episode.
        """
        rows = self._file.rows("SELECT message FROM episodes WHERE number = ?", number)
        path = self._file.path
        if not rows:
            raise NotFoundError(f"no episode {number} in {path}, which has {self._extent()}")
        try:
            return pb.Episode.FromString(rows[0][0])
        except DecodeError as error:
            raise CorruptDataError(f"episode {number} in {path} cannot be decoded: {error}") from error

    def _extent(self) -> str:
        """The places that have an episode, in words."""
        [(count, first, last)] = self._file.rows("SELECT COUNT(*), MIN(number), MAX(number) FROM episodes")
        return f"{count} episodes, from {first} to {last}" if count else "none yet"

    def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Notes why these places are not trained on, in place of earlier reasons."""
        with self._file.writing() as db:
            db.executemany("INSERT OR REPLACE INTO set_aside VALUES (?, ?)", list(reasons.items()))

    def those_set_aside(self) -> dict[int, str]:
        """The reason for each place that is not trained on; there may be no episode there."""
        if not self._file.has("set_aside"):
            return {}  # of an earlier version, opened for reading
        return dict(self._file.rows("SELECT number, reason FROM set_aside ORDER BY number"))

    def summaries(self) -> tuple[EpisodeSummary, ...]:
        """All episodes in the order of their places."""
        query = (
            "SELECT number, task_id, task_type, attempt, won, score, turns, message FROM episodes "
            "ORDER BY number"
        )
        return tuple(_summary(row) for row in self._file.rows(query))

    def set_advantages(self, number: int, turns: Sequence[TurnAdvantages]) -> None:
        """Stores advantages and values of an episode's turns; replaces earlier ones."""
        rows = [(number, index, turn.low, turn.high, turn.switch) for index, turn in enumerate(turns)]
        valued = [(number, index, turn.values) for index, turn in enumerate(turns)]
        values = [(*place, v.low, v.high, v.switch) for *place, v in valued if v is not None]
        with self._file.writing() as db:
            db.execute("DELETE FROM turn_values WHERE number = ?", (number,))
            db.executemany("INSERT OR REPLACE INTO advantages VALUES (?, ?, ?, ?, ?)", rows)
            db.executemany("INSERT INTO turn_values VALUES (?, ?, ?, ?, ?)", values)

    def advantages(self, number: int) -> tuple[TurnAdvantages, ...]:
        """The advantages of each turn, with values; empty if no update has used the episode yet."""
        values = self._values(number)
        query = "SELECT turn, low, high, switch FROM advantages WHERE number = ? ORDER BY turn"
        return tuple(
            TurnAdvantages(low, high, switch, values.get(turn))
            for turn, low, high, switch in self._file.rows(query, number)
        )

    def _values(self, number: int) -> dict[int, TurnValues]:
        if not self._file.has("turn_values"):
            return {}  # of an earlier version, opened for reading
        query = "SELECT turn, low, high, switch FROM turn_values WHERE number = ?"
        return {turn: TurnValues(*values) for turn, *values in self._file.rows(query, number)}

    def close(self) -> None:
        self._file.close()


def _summary(row: tuple[Any, ...]) -> EpisodeSummary:
    number, task_id, task_type, attempt, won, score, turns, message = row
    try:
        terminated = pb.Episode.FromString(message).terminated
    except DecodeError:
        terminated = bool(won)  # all that is left to say about an episode that cannot be decoded
    return EpisodeSummary(number, task_id, task_type, attempt, bool(won), terminated, score, turns)
