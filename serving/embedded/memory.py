"""What glibc does with freed memory: given back to the system, or kept for the next allocation."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def return_free_memory() -> None:
    """Returns what is free in glibc's heaps; does nothing with another C library."""
    gc.collect()
    libc = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def keep_freed_memory() -> None:
    """For a process that allocates blocks of many megabytes again and again, as training does.

    glibc would give each of them back when it is freed, and the system would clear its pages anew. Does
    nothing with another C library. `return_free_memory` still returns what is free.
    """
    libc = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(libc, "mallopt"):
        libc.mallopt(_TRIM_THRESHOLD, -1)
        libc.mallopt(_MMAP_MAX, 0)
        # Heaps of other threads cannot hold large blocks.
        libc.mallopt(_ARENA_MAX, 1)
