"""Locks in a run's folder, each held by one process until that process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import ConfigurationError

_POLL_SECONDS = 0.1


class Lock:
    """A lock on a file, held until `release` or until the process ends in any way."""

    def __init__(self, path: Path, does: str, seconds: float = 0.0) -> None:
        """Takes the lock, and writes the id of this process into the file.

        Args:
            path: File to lock; it is created if necessary.
            does: Verb for the message that says what the holding process does, such as `plays`.
            seconds: Time to wait for another process that may be about to end.

        Raises:
            ConfigurationError: another process holds the lock; the message names it.
        """
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _within(seconds, self._taken):
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise ConfigurationError(
                f"process {holder} {does} in {path.parent} now; wait for its end or take another folder"
            )
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _taken(self) -> bool:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Gives the lock back; safe to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: Path) -> int | None:
    """The id of another process that holds the lock on this file, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(written) if written.isdecimal() and int(written) != os.getpid() else None
    finally:
        os.close(descriptor)
    return None


def _within(seconds: float, succeeds: Callable[[], bool]) -> bool:
    """Whether `succeeds` returns True within `seconds`; it is called at least once."""
    ends = time.monotonic() + seconds
    while not succeeds():
        if time.monotonic() >= ends:
            return False
        time.sleep(_POLL_SECONDS)
    return True
