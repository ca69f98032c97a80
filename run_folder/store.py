"""Finished episodes in an SQLite file; each is on disk before it is acknowledged."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from google.protobuf.message import DecodeError
from hiper.v1 import episode_pb2 as pb

from core.errors import (
    CorruptDataError,
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from core.files import to_disk
from trajectory.episode import Episode, ending_of
from trajectory.wire import episode_from_pb

FORMAT = 1
"""Version of the tables below; a file with another one is refused."""

_LOCK_SECONDS = 5.0
"""Time that a call waits for another process's lock."""
# If another file than the database or its log does not fit on the disk, SQLite reports an I/O error.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)

_TABLES = """
CREATE TABLE run (format INTEGER NOT NULL, run_id TEXT NOT NULL);
CREATE TABLE episodes (
    number INTEGER PRIMARY KEY,      -- place in the run; it has one episode, even if one is submitted twice
    task_id TEXT NOT NULL,
    seed TEXT NOT NULL,              -- unsigned 64 bits do not fit SQLite's integers
    attempt INTEGER NOT NULL,
    task_type TEXT NOT NULL,
    won INTEGER NOT NULL,
    score REAL NOT NULL,
    turns INTEGER NOT NULL,
    message BLOB NOT NULL            -- hiper.v1.Episode
) STRICT;
CREATE TABLE advantages (
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    switch REAL,                     -- NULL with two value heads
    PRIMARY KEY (number, turn)
) STRICT, WITHOUT ROWID;
"""
_LATER_TABLES = {
    "set_aside": """
CREATE TABLE IF NOT EXISTS set_aside (
    number INTEGER PRIMARY KEY,      -- a place that no update can train on, with or without an episode
    reason TEXT NOT NULL
) STRICT;
""",
    "turn_values": """
CREATE TABLE IF NOT EXISTS turn_values (
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    switch REAL,                     -- NULL with two value heads
    PRIMARY KEY (number, turn)
) STRICT, WITHOUT ROWID;
""",
}
"""Tables that stores of earlier versions lack; they are added when a store is first opened for writing."""


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


Level = Literal["low", "high", "switch"]
"""What an advantage is of: the action, the subgoal, or the decision to keep or switch."""


@dataclass(frozen=True)
class TurnValues:
    """The critic's values of a turn, from which its advantages were computed, in units of reward."""

    low: float
    """V_low, after the subgoal is known and before the action."""
    high: float
    """V_high, before a subgoal is written; computed on every turn."""
    switch: float | None
    """V_switch, before the decision; None with two value heads."""


@dataclass(frozen=True)
class TurnAdvantages:
    """The advantages of a turn, as the update used them."""

    low: float
    high: float
    """Advantage of the subgoal; 0 except at segment starts."""
    switch: float | None
    """Advantage of the decision; None with two value heads."""
    values: TurnValues | None = None
    """Values; None with estimators that use none, and in stores of earlier versions."""

    def of(self, level: Level) -> tuple[float | None, float | None]:
        """The advantage of a level, and the value that it was computed from."""
        match level:
            case "low":
                return self.low, None if self.values is None else self.values.low
            case "high":
                return self.high, None if self.values is None else self.values.high
            case "switch":
                return self.switch, None if self.values is None else self.values.switch


class EpisodeStore:
    """The episodes of one run. Safe to use from several threads; one process writes."""

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        """Opens the file for writing; with a run id, creates it first if it does not exist.

        A new file gets its name only when it is complete, so a crash while it is created leaves no file.

        Raises:
            NotFoundError: the file does not exist, and there is no run id.
            PreconditionError: the file belongs to another run, or has another format.
            CorruptDataError: it is not an episode store.
            ExhaustedError: the disk is full.
            UnavailableError: another process holds the file's lock.
        """
        if run_id is not None and not _is_made(path):
            with _errors_of(path):
                _make(path, run_id)
        self._open(path, "rw")
        if run_id is not None and self.run_id != run_id:
            self.close()
            raise PreconditionError(f"{path} holds run {self.run_id}, not {run_id}")
        if missing := [table for name, table in _LATER_TABLES.items() if not self._has(name)]:
            with self._writing():
                for table in missing:
                    self._db.execute(table)

    @classmethod
    def of_run(cls, path: Path, new_run_id: str) -> Self:
        """Opens the file of any run for writing; creates it for `new_run_id` if it does not exist.

        Raises:
            HiperError: as in the constructor.
        """
        return cls(path) if _is_made(path) else cls(path, new_run_id)

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Opens the file for reading only, also while the run's learner writes to it.

        Raises:
            HiperError: as in the constructor.
        """
        store = cls.__new__(cls)
        store._open(path, "ro")
        return store

    def _open(self, path: Path, mode: str) -> None:
        if not path.exists():
            raise NotFoundError(
                f"no episodes at {path}: the folder of a run has this file once its learner has started"
            )
        self._path = path
        self._lock = threading.Lock()
        with _errors_of(path):
            self._db = _connected(path, mode)
            try:
                self.run_id = self._read_run()
            except BaseException:
                self._db.close()
                raise

    def _read_run(self) -> str:
        self._db.execute("PRAGMA synchronous = FULL")
        row = self._db.execute("SELECT format, run_id FROM run").fetchone()
        if row is None:
            raise CorruptDataError(f"{self._path} names no run: it is not an episode store")
        if row[0] != FORMAT:
            raise PreconditionError(f"{self._path} has format {row[0]}; this version reads format {FORMAT}")
        return str(row[1])

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
        with self._writing():
            cursor = self._db.execute(
                "INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            if cursor.rowcount == 1:
                # An environment broke at this place before the run was resumed.
                self._db.execute("DELETE FROM set_aside WHERE number = ?", (episode.number,))
            return cursor.rowcount == 1

    def numbers(self) -> frozenset[int]:
        """Places in the run that have an episode."""
        with self._lock:
            return frozenset(row[0] for row in self._db.execute("SELECT number FROM episodes"))

    def tasks(self) -> dict[int, str]:
        """Task ids by place of the run."""
        with self._lock:
            return dict(self._db.execute("SELECT number, task_id FROM episodes").fetchall())

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
        with self._lock:
            row = self._db.execute("SELECT message FROM episodes WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFoundError(f"no episode {number} in {self._path}, which has {self._extent()}")
        try:
            return pb.Episode.FromString(row[0])
        except DecodeError as error:
            raise CorruptDataError(f"episode {number} in {self._path} cannot be decoded: {error}") from error

    def _extent(self) -> str:
        """The places that have an episode, in words."""
        with self._lock:
            query = "SELECT COUNT(*), MIN(number), MAX(number) FROM episodes"
            count, first, last = self._db.execute(query).fetchone()
        return f"{count} episodes, from {first} to {last}" if count else "none yet"

    def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Notes why these places are not trained on, in place of earlier reasons."""
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO set_aside VALUES (?, ?)", list(reasons.items()))

    def those_set_aside(self) -> dict[int, str]:
        """The reason for each place that is not trained on; there may be no episode there."""
        if not self._has("set_aside"):
            return {}  # of an earlier version, opened for reading
        with self._lock:
            return dict(self._db.execute("SELECT number, reason FROM set_aside ORDER BY number").fetchall())

    def _has(self, table: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        with self._lock:
            return self._db.execute(query, (table,)).fetchone() is not None

    def summaries(self) -> tuple[EpisodeSummary, ...]:
        """All episodes in the order of their places."""
        query = (
            "SELECT number, task_id, task_type, attempt, won, score, turns, message FROM episodes "
            "ORDER BY number"
        )
        with self._lock:
            return tuple(_summary(row) for row in self._db.execute(query))

    def set_advantages(self, number: int, turns: Sequence[TurnAdvantages]) -> None:
        """Stores advantages and values of an episode's turns; replaces earlier ones."""
        rows = [(number, index, turn.low, turn.high, turn.switch) for index, turn in enumerate(turns)]
        valued = [(number, index, turn.values) for index, turn in enumerate(turns)]
        values = [(*place, v.low, v.high, v.switch) for *place, v in valued if v is not None]
        with self._writing():
            self._db.execute("DELETE FROM turn_values WHERE number = ?", (number,))
            self._db.executemany("INSERT OR REPLACE INTO advantages VALUES (?, ?, ?, ?, ?)", rows)
            self._db.executemany("INSERT INTO turn_values VALUES (?, ?, ?, ?, ?)", values)

    def advantages(self, number: int) -> tuple[TurnAdvantages, ...]:
        """The advantages of each turn, with values; empty if no update has used the episode yet."""
        values = self._values(number)
        query = "SELECT turn, low, high, switch FROM advantages WHERE number = ? ORDER BY turn"
        with self._lock:
            rows = self._db.execute(query, (number,)).fetchall()
        return tuple(TurnAdvantages(low, high, switch, values.get(turn)) for turn, low, high, switch in rows)

    def _values(self, number: int) -> dict[int, TurnValues]:
        if not self._has("turn_values"):
            return {}  # of an earlier version, opened for reading
        query = "SELECT turn, low, high, switch FROM turn_values WHERE number = ?"
        with self._lock:
            rows = self._db.execute(query, (number,)).fetchall()
        return {turn: TurnValues(low, high, switch) for turn, low, high, switch in rows}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, _errors_of(self._path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=_LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )


def _make(path: Path, run_id: str) -> None:
    """Writes an empty store beside `path`, then renames it to `path`."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        with contextlib.closing(_connected(unfinished, "rwc")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript("".join((_TABLES, *_LATER_TABLES.values())))
            db.execute("INSERT INTO run VALUES (?, ?)", (FORMAT, run_id))
        # Without this, SQLite would take an older, unfinished store's log for the log of the new one.
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        to_disk(unfinished)
        unfinished.rename(path)
        to_disk(path.parent)


def _is_made(path: Path) -> bool:
    """Whether there is a store.

    A file without run and episodes does not count: earlier versions left one if killed while creating it.
    """
    if not path.exists():
        return False
    try:
        with contextlib.closing(_connected(path, "rw")) as db:
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            runs = db.execute("SELECT run_id FROM run").fetchall() if "run" in tables else []
            stored = db.execute("SELECT 1 FROM episodes LIMIT 1").fetchone() if "episodes" in tables else None
    except sqlite3.DatabaseError:
        return True  # `_open` then says what is wrong with it.
    foreign = tables - {"run", "episodes", "advantages", *_LATER_TABLES}
    return bool(stored or foreign or any(run for (run,) in runs))


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Converts SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _NO_ROOM:
            raise ExhaustedError(f"{path} cannot be written ({error}); nothing was stored") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise UnavailableError(f"another process holds the lock of {path}; nothing was stored") from error
        if isinstance(error, sqlite3.DatabaseError) and code != sqlite3.SQLITE_READONLY:
            raise CorruptDataError(f"{path} is not an episode store: {error}") from error
        raise


def _summary(row: tuple[Any, ...]) -> EpisodeSummary:
    number, task_id, task_type, attempt, won, score, turns, message = row
    try:
        terminated = pb.Episode.FromString(message).terminated
    except DecodeError:
        terminated = bool(won)  # all that is left to say about an episode that cannot be decoded
    return EpisodeSummary(number, task_id, task_type, attempt, bool(won), terminated, score, turns)
