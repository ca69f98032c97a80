"""Atomic writes: folders and lines that are written whole or not at all, even on a full disk; manifests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from core.errors import CorruptDataError, ExhaustedError

MANIFEST = "manifest.json"
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.(?:new|[a-z0-9_]{8})")
"""Names that `replace_file` and `written_beside` give to files and folders before they are complete."""
_REPLACED = "replaced"
"""Name of a folder while another one takes its place."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Replaces the system's "no space" error by one that names the file or folder being written.

    Covers a full disk, an exhausted quota and a limit on the size of files; other errors pass unchanged.

    Raises:
        ExhaustedError: there is no room for `path`.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not (reason := _no_room(error)):
            raise
        raise ExhaustedError(f"{path} cannot be written: {reason}") from error


def _no_room(error: OSError | SafetensorError) -> str | None:
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno in _NO_ROOM else None
    # safetensors passes the system's error number on only inside its message.
    return next((os.strerror(code) for code in _NO_ROOM if f"(os error {code})" in str(error)), None)


@contextmanager
def appended_whole(file: Path) -> Iterator[None]:
    """Truncates `file` to its earlier length if the block, which appends to it, fails.

    Raises:
        ExhaustedError: there is no room for more.
    """
    length = file.stat().st_size if file.exists() else 0
    try:
        with room_for(file):
            yield
    except BaseException:
        if file.exists():
            os.truncate(file, length)
        raise


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """Yields an empty folder to fill, which replaces `folder` once the block has succeeded.

    All files are flushed to disk before the folder gets its name, and an earlier folder of that name is
    deleted. If the block fails, nothing changes.

    Raises:
        ExhaustedError: there is no room for it.
    """
    with room_for(folder), _filled_beside(folder) as unfinished:
        yield unfinished


@contextmanager
def _filled_beside(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the renaming below stays within one file system and is atomic.
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield unfinished
        # mkdtemp lets nobody else in, but another user may serve what was written here.
        unfinished.chmod(0o755)
        # Before the renaming: after a power failure the name must not lead to empty files.
        for path in (*unfinished.rglob("*"), unfinished):
            to_disk(path)
        _take_place(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def write_manifest(folder: Path) -> None:
    """Writes the SHA-256 of each file in `folder` to its manifest."""
    hashes = {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def check_manifest(folder: Path) -> None:
    """Checks that every file in the manifest of `folder` exists with the SHA-256 recorded there.

    Raises:
        CorruptDataError: the manifest is unreadable, or a file is missing or differs; names the first one.
    """
    try:
        hashes: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = sorted(hashes.items())
    except (OSError, ValueError, AttributeError) as error:
        raise CorruptDataError(f"{folder} has no readable {MANIFEST}: {error}") from error
    for name, sha256 in expected:
        path = folder / name
        if not path.is_file():
            raise CorruptDataError(f"{path} is missing")
        if _sha256(path) != sha256:
            raise CorruptDataError(f"{path} was changed or damaged: its SHA-256 differs from {MANIFEST}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_disk(path: Path) -> None:
    """Flushes the contents of a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_place(unfinished: Path, folder: Path) -> None:
    if not folder.exists():
        unfinished.rename(folder)
    else:
        # A folder cannot be renamed onto one that holds files: the old one is moved out of the way first.
        replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        folder.rename(replaced / _REPLACED)
        try:
            unfinished.rename(folder)
        except BaseException:
            (replaced / _REPLACED).rename(folder)
            raise
        finally:
            shutil.rmtree(replaced)
    # The new name is an entry of the parent folder, which must reach the disk too.
    to_disk(folder.parent)


def replace_file(path: Path, text: str) -> None:
    """Replaces the contents of a file atomically: even a power failure leaves the old or the new text.

    Raises:
        ExhaustedError: there is no room for it; the file has not changed.
    """
    beside = path.with_name(f".{path.name}.new")
    with room_for(path):
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                # The renaming may reach the disk before the contents do, which would leave an empty file.
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        to_disk(path.parent)


def unfinished_name(path: Path) -> str | None:
    """The name that a half-written file or folder was to get; None for any other."""
    match = _UNFINISHED.fullmatch(path.name)
    return match["name"] if match else None


def sweep_unfinished(folder: Path, of: Collection[str] | None = None) -> list[str]:
    """Removes half-written files and folders that killed processes left in `folder`; returns their names.

    A folder that was about to be replaced when its process was killed gets its name back.

    Args:
        folder: No process may write to it now: the unfinished work of a living one looks the same.
        of: Only that which was to get one of these names; None for all.
    """
    found = [(path, unfinished_name(path)) for path in _entries(folder)]
    left = [(path, name) for path, name in found if name is not None and (of is None or name in of)]
    for path, name in left:
        if (path / _REPLACED).is_dir() and not (folder / name).exists():
            (path / _REPLACED).rename(folder / name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path.name for path, _ in left]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
