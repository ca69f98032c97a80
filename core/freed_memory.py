"""What glibc does with freed memory: given back to the system, or kept for the next allocation."""

from __future__ import annotations

import ctypes
import gc

_LIBC = ctypes.CDLL(None)
"""What the process itself is linked with."""
# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def return_free_memory() -> None:
    """Returns what is free in glibc's heaps; does nothing with another C library."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def keep_freed_memory() -> None:
    """For a process that allocates blocks of many megabytes again and again, as training does.

    glibc would give each of them back when it is freed, and the system would clear its pages anew. Does
    nothing with another C library. `return_free_memory` still returns what is free.
    """
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_TRIM_THRESHOLD, -1)
        _LIBC.mallopt(_MMAP_MAX, 0)
        # Heaps of other threads cannot hold large blocks.
        _LIBC.mallopt(_ARENA_MAX, 1)
