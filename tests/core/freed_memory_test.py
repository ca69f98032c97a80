"""What glibc does with freed memory, counted in page faults."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable

import pytest

from core.freed_memory import keep_freed_memory

BLOCK = 100 << 20
PAGES = BLOCK // resource.getpagesize()


def filled() -> None:
    """Takes a block, writes to all of it, frees it."""
    assert len(b"x" * BLOCK) == BLOCK


def faults(prepare: Callable[[], None] | None) -> int:
    """Of a block that is made after one like it was freed."""
    if prepare:
        prepare()
    filled()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    filled()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def measured(prepare: Callable[[], None] | None) -> int:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(faults, (prepare,))


def test_freed_memory_is_used_again() -> None:
    if (cleared := measured(None)) < PAGES // 10:
        pytest.skip(f"this system keeps freed memory by itself, or has huge pages: {cleared} page faults")
    assert measured(keep_freed_memory) < cleared // 10
