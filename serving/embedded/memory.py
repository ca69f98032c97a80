"""Giving freed memory back to the system, where the allocator would keep it."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc


def return_free_memory() -> None:
    """Returns what is free in glibc's heaps; does nothing with another C library."""
    gc.collect()
    libc = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
