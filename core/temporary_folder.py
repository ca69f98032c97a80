"""Temporary folders that a killed process leaves behind only until the next one of its kind starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class TemporaryFolder:
    """A folder of this process, in the system's place for temporary files.

    The process holds a lock on the folder itself, which the kernel releases however the process ends. A
    folder with the same prefix that nobody holds is therefore left over, and is removed when the next one is
    made.
    """

    def __init__(self, prefix: str) -> None:
        """Removes what dead processes left under `prefix`, then makes a folder."""
        _remove_left_over(prefix)
        self.path, lock = _made_and_locked(prefix)
        self._lock: int | None = lock

    def close(self) -> None:
        """Removes the folder; safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _made_and_locked(prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix))
        lock = _open(path)
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have taken the folder for a left-over one before it was locked.
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_left_over(prefix: str) -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        lock = _open(path)
        if lock is None:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _open(path: Path) -> int | None:
    """A descriptor of a folder; None for another user's, for one that is gone, and for what is no folder."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
