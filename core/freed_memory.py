"""Controls whether glibc returns freed memory to the system or keeps it for the next allocation."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None)
"""The libraries that this process is linked with, the C library among them."""
# M_TRIM_THRESHOLD, M_MMAP_MAX and M_ARENA_MAX of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def return_free_memory() -> None:
    """Returns the free memory of glibc's heaps to the system; does nothing with another C library.

    Does not look for garbage first. Where torch and transformers are loaded, that takes a quarter of a
    second, in which no other thread runs; while memory is returned, they do.
    """
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def keep_freed_memory() -> None:
    """Keeps freed memory for reuse, in a process that allocates large blocks again and again: training.

    By default glibc returns each large block to the system when it is freed, and the next allocation waits
    until the system has zeroed its pages. Does nothing with another C library. `return_free_memory` still
    returns what is free; where blocks differ in size, something must call it now and then (`MemoryReturns`).
    """
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_TRIM_THRESHOLD, -1)
        _LIBC.mallopt(_MMAP_MAX, 0)
        # One arena for all threads: those that glibc adds for other threads consist of heaps of at most
        # 64 MB, too small for such blocks.
        _LIBC.mallopt(_ARENA_MAX, 1)


class MemoryReturns:
    """Returns free memory every now and then, for work that frees blocks of ever other sizes.

    A block that is kept is used again only for one that is not larger. What does not fit adds up: teaching
    the bundled model took 4 GB at first, and 19 after fifty minutes; with a return every two minutes, 14.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`seconds`: time between two returns, after each of which memory is slow to get for a moment."""
        self._seconds, self._clock = seconds, clock
        self._last = clock()

    def after_work(self) -> None:
        """Returns free memory if it is time to; to be called between two pieces of the work."""
        if self._clock() - self._last >= self._seconds:
            return_free_memory()
            self._last = self._clock()
