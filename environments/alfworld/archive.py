"""Games in a packed archive, which is read once from end to end into a small index and never unpacked."""

from __future__ import annotations

import hashlib
import lzma
import os
import sqlite3
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from core.paths import cache_folder
from environments.alfworld.game_source import GAME_FILE, task_of
from environments.benchmark import Task
from environments.errors import EnvironmentDataError

_VERSION = 1


class ArchiveSource:
    """Games of a `.tar`, `.tar.xz`, `.tar.gz` or `.tar.bz2` that holds the tree of `alfworld-download`.

    The index (SQLite, each game compressed separately, about 40 MB for the whole benchmark) is kept in the
    user's cache folder under the archive's SHA-256, or in memory if that folder cannot be written to.
    """

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self._index = _open_index(archive)
        self._dictionary = _dictionary(self._index)

    def tasks(self) -> tuple[Task, ...]:
        rows = self._index.execute("SELECT id FROM games ORDER BY id")
        return tuple(sorted(task for (task_id,) in rows if (task := task_of(task_id)) is not None))

    def read(self, task_id: str) -> bytes:
        row = self._index.execute("SELECT game FROM games WHERE id = ?", (task_id,)).fetchone()
        if row is None:
            raise EnvironmentDataError(f"{self.archive} holds no game {task_id}")
        return zlib.decompressobj(zdict=self._dictionary).decompress(row[0])


def read_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Id and content of every game, in the archive's order; `EnvironmentDataError` if it is not complete."""
    try:
        # Read as a stream: seeking in a compressed archive means decompressing it again from the start.
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                if name == GAME_FILE and member.isfile():
                    content = members.extractfile(member)
                    assert content is not None  # regular files always have one
                    yield "/".join(folder.split("/")[-3:]), content.read()
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise EnvironmentDataError(
            f"{archive} is not a complete archive of ALFWorld games ({error})"
        ) from None


def _open_index(archive: Path) -> sqlite3.Connection:
    name = f"alfworld-{_sha256(archive)[:32]}-v{_VERSION}.sqlite"
    folder = cache_folder()
    if (index := _cached(folder / name)) is not None:
        return index
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Renamed when it is complete, so that other processes never see an index half made.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _connect(Path(scratch) / name, archive).close()
            os.replace(Path(scratch) / name, folder / name)
    except (OSError, sqlite3.OperationalError):
        return _connect(None, archive)
    return _cached(folder / name) or _connect(None, archive)


def _cached(path: Path) -> sqlite3.Connection | None:
    """The index in the file `path`; None if there is none, or if a crash or a full disk has damaged it."""
    if not path.is_file():
        return None
    # Immutable: SQLite takes no locks, which read-only and network file systems may not support.
    index = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        _dictionary(index)
    except sqlite3.DatabaseError:
        index.close()
        return None
    return index


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _connect(path: Path | None, archive: Path) -> sqlite3.Connection:
    """A new index of the archive, in the file `path` or in memory."""
    index = sqlite3.connect(path or ":memory:", check_same_thread=False)
    index.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)")
    index.execute("CREATE TABLE games (id TEXT PRIMARY KEY, game BLOB NOT NULL) WITHOUT ROWID")
    dictionary = b""
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task(f"indexing {archive.name}", total=None)
        for task_id, content in read_members(archive):
            if not dictionary:
                # Every game begins with the same rules, so that the first one serves as a dictionary for the
                # others; DEFLATE looks back 32 kB at most.
                dictionary = content[: 1 << 15]
                index.execute("INSERT INTO meta VALUES ('dictionary', ?)", (dictionary,))
            packer = zlib.compressobj(level=1, zdict=dictionary)
            packed = packer.compress(content) + packer.flush()
            index.execute("INSERT OR REPLACE INTO games VALUES (?, ?)", (task_id, packed))
            progress.advance(bar)
    if not dictionary:
        raise EnvironmentDataError(f"{archive} holds no {GAME_FILE} files")
    index.commit()
    return index


def _dictionary(index: sqlite3.Connection) -> bytes:
    value: bytes = index.execute("SELECT value FROM meta WHERE name = 'dictionary'").fetchone()[0]
    return value
