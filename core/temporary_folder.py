"""Temporary folders that are removed even if the process is killed: by the next process of its kind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class TemporaryFolder:
    """A folder of this process, where the system keeps temporary files.

    The process locks the folder itself, and the kernel releases the lock however the process ends. A folder
    with the same prefix that is not locked is thus left over, and is removed when the next one is made.
    """

    def __init__(self, prefix: str) -> None:
        """Removes folders with this prefix that dead processes left, then makes one."""
        _remove_left_over(prefix)
        self.path, lock = _made_and_locked(prefix)
        self._lock: int | None = lock

    def close(self) -> None:
        """Removes the folder; can be called repeatedly."""
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
            # Before it was locked, another process may have taken it for a left-over one and removed it.
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
    """A descriptor of a folder; None if it is another user's, does not exist any more, or is not a folder."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
