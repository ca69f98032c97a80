"""Finished episodes on disk: one SQLite file, written through before anything is acknowledged."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiper.v1 import episode_pb2 as pb

from core.errors import CorruptDataError, ExhaustedError, NotFoundError, PreconditionError
from trajectory.episode import Episode
from trajectory.wire import episode_from_pb

FORMAT = 1
"""Of the tables below; a file of another format is refused."""

_TABLES = """
CREATE TABLE IF NOT EXISTS run (format INTEGER NOT NULL, run_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS episodes (
    number INTEGER PRIMARY KEY,      -- place in the run: one episode each, whatever is retried
    task_id TEXT NOT NULL,
    seed TEXT NOT NULL,              -- unsigned 64 bits do not fit SQLite's integers
    attempt INTEGER NOT NULL,
    task_type TEXT NOT NULL,
    won INTEGER NOT NULL,
    score REAL NOT NULL,
    turns INTEGER NOT NULL,
    message BLOB NOT NULL            -- hiper.v1.Episode
) STRICT;
CREATE TABLE IF NOT EXISTS advantages (
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    switch REAL,                     -- NULL with two value heads
    PRIMARY KEY (number, turn)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class EpisodeSummary:
    """A stored episode without its turns."""

    number: int
    task_id: str
    task_type: str
    attempt: int
    won: bool
    score: float
    turns: int


@dataclass(frozen=True)
class TurnAdvantages:
    """What the estimator gave a turn, as the update used it."""

    low: float
    high: float
    """0 off the segment starts."""
    switch: float | None
    """None with two value heads."""


class EpisodeStore:
    """The episodes of one run. Safe to use from several threads; one process writes."""

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        """Opens the file, or makes it for `run_id`.

        Raises:
            NotFoundError: there is no such file, and no run id to make it for.
            PreconditionError: the file is another run's, or of another format.
            CorruptDataError: it is no SQLite file.
            ExhaustedError: the disk is full.
        """
        if run_id is None and not path.exists():
            raise NotFoundError(f"no episodes at {path}")
        self._path = path
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
            self.run_id = self._claim(run_id)
        except sqlite3.DatabaseError as error:
            self._db.close()
            if _no_room(error):
                raise self._full(error) from error
            raise CorruptDataError(f"{path} is not an episode store: {error}") from error

    def _claim(self, run_id: str | None) -> str:
        row = self._db.execute("SELECT format, run_id FROM run").fetchone()
        if row is None:
            self._db.execute("INSERT INTO run VALUES (?, ?)", (FORMAT, run_id or ""))
            return run_id or ""
        if row[0] != FORMAT:
            raise PreconditionError(f"{self._path} has format {row[0]}; this version reads format {FORMAT}")
        if run_id is not None and row[1] != run_id:
            raise PreconditionError(f"{self._path} holds run {row[1]}, not {run_id}")
        return str(row[1])

    def add(self, episode: pb.Episode) -> bool:
        """Stores an episode; when this returns it is on disk. False if its place is taken already.

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
            return cursor.rowcount == 1

    def numbers(self) -> frozenset[int]:
        """Places of the run that have their episode."""
        with self._lock:
            return frozenset(row[0] for row in self._db.execute("SELECT number FROM episodes"))

    def load(self, numbers: Sequence[int]) -> tuple[Episode, ...]:
        """The episodes at these places, in this order.

        Raises:
            NotFoundError: names the first place that has none.
        """
        return tuple(self._load(number) for number in numbers)

    def _load(self, number: int) -> Episode:
        with self._lock:
            row = self._db.execute("SELECT message FROM episodes WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFoundError(f"no episode {number} in {self._path}")
        return episode_from_pb(pb.Episode.FromString(row[0]))

    def summaries(self) -> tuple[EpisodeSummary, ...]:
        """All episodes in the order of their places."""
        query = "SELECT number, task_id, task_type, attempt, won, score, turns FROM episodes ORDER BY number"
        with self._lock:
            rows = self._db.execute(query).fetchall()
        return tuple(EpisodeSummary(n, i, k, a, bool(w), s, t) for n, i, k, a, w, s, t in rows)

    def set_advantages(self, number: int, turns: Sequence[TurnAdvantages]) -> None:
        """Keeps what an episode's turns were given, in place of what may stand there."""
        rows = [(number, index, turn.low, turn.high, turn.switch) for index, turn in enumerate(turns)]
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO advantages VALUES (?, ?, ?, ?, ?)", rows)

    def advantages(self, number: int) -> tuple[TurnAdvantages, ...]:
        """One a turn; empty for an episode that no update has used yet."""
        query = "SELECT low, high, switch FROM advantages WHERE number = ? ORDER BY turn"
        with self._lock:
            rows = self._db.execute(query, (number,)).fetchall()
        return tuple(TurnAdvantages(low, high, switch) for low, high, switch in rows)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if _no_room(error):
                    raise self._full(error) from error
                raise

    def _full(self, error: sqlite3.Error) -> ExhaustedError:
        return ExhaustedError(f"{self._path} cannot be written ({error}); nothing was stored")

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _no_room(error: sqlite3.Error) -> bool:
    """Also of an I/O error: SQLite says `full` only where the database or its log is what had no room."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
