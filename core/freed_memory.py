"""Controls whether glibc returns freed memory to the system or keeps it for the next allocation."""

from __future__ import annotations

import ctypes

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
    returns what is free.
    """
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_TRIM_THRESHOLD, -1)
        _LIBC.mallopt(_MMAP_MAX, 0)
        # One arena for all threads: those that glibc adds for other threads consist of heaps of at most
        # 64 MB, too small for such blocks.
        _LIBC.mallopt(_ARENA_MAX, 1)
