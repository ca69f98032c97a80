"""The SQLite file of a run's episodes: its tables, its creation, transactions, and errors."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from core.errors import (
    CorruptDataError,
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from core.files import to_disk

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


class StoreFile:
    """An open file. Safe to use from several threads."""

    def __init__(self, path: Path, mode: Literal["rw", "ro"], run_id: str | None = None) -> None:
        """Opens the file, for writing (`rw`) or for reading only; writers add the tables that came later.

        Raises:
            NotFoundError: the file does not exist.
            PreconditionError: it has another format, or belongs to another run than `run_id`.
            CorruptDataError: it is not an episode store.
            UnavailableError: another process holds the file's lock.
        """
        if not path.exists():
            raise NotFoundError(
                f"no episodes at {path}: the folder of a run has this file once its learner has started"
            )
        self.path = path
        self._lock = threading.Lock()
        with _errors_of(path):
            self.connection = _connected(path, mode)
            try:
                self.run_id = self._read_run()
                if run_id not in (None, self.run_id):
                    raise PreconditionError(f"{path} holds run {self.run_id}, not {run_id}")
                if mode == "rw":
                    self._add_later_tables()
            except BaseException:
                self.connection.close()
                raise

    def _read_run(self) -> str:
        self.connection.execute("PRAGMA synchronous = FULL")
        row = self.connection.execute("SELECT format, run_id FROM run").fetchone()
        if row is None:
            raise CorruptDataError(f"{self.path} names no run: it is not an episode store")
        if row[0] != FORMAT:
            raise PreconditionError(f"{self.path} has format {row[0]}; this version reads format {FORMAT}")
        return str(row[1])

    def _add_later_tables(self) -> None:
        if missing := [table for name, table in _LATER_TABLES.items() if not self.has(name)]:
            with self.writing() as connection:
                for table in missing:
                    connection.execute(table)

    def has(self, table: str) -> bool:
        """Whether the file has this table; an older file, opened for reading, lacks the later ones."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table))

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The result of a query."""
        with self._lock:
            return self.connection.execute(query, parameters).fetchall()

    def readable_rows(self, query: str, *parameters: object) -> tuple[list[tuple[Any, ...]], str]:
        """The rows of a query up to the first that cannot be read, and the reason for that, if any."""
        rows: list[tuple[Any, ...]] = []
        with self._lock:
            try:
                rows.extend(self.connection.execute(query, parameters))
            except sqlite3.DatabaseError as error:
                return rows, str(error)
        return rows, ""

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, on disk when the context ends; an exception within it undoes all of it.

        Raises:
            ExhaustedError: the disk is full; nothing was stored.
            UnavailableError: another process holds the file's lock; nothing was stored.
        """
        with self._lock, _errors_of(self.path):
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self.connection.close()


def make(path: Path, run_id: str) -> None:
    """Creates an empty store for a run.

    It gets its name only when it is complete, so a crash while it is created leaves no file.

    Raises:
        ExhaustedError: the disk is full.
    """
    with _errors_of(path), tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
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


def is_made(path: Path) -> bool:
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
        return True  # Opening it then says what is wrong with it.
    foreign = tables - {"run", "episodes", "advantages", *_LATER_TABLES}
    return bool(stored or foreign or any(run for (run,) in runs))


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=_LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )


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
