"""What glibc does with freed memory, counted in page faults."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from core.freed_memory import MemoryReturns, keep_freed_memory

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


def resident() -> int:
    """Memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def kept_and_returned() -> tuple[int, int]:
    """Bytes that a process keeps of a freed block: before it is time to return memory, and after."""
    keep_freed_memory()
    now = 0.0
    returns = MemoryReturns(60.0, lambda: now)
    before, block = resident(), b"x" * BLOCK
    # Above the block, so that it is not at the end of the heap.
    above = b"x" * (BLOCK // 10)
    del block
    now = 59.0
    returns.after_work()
    kept = resident() - before - len(above)
    now = 60.0
    returns.after_work()
    return kept, resident() - before - len(above)


def test_memory_that_was_kept_is_returned_when_it_is_time() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        kept, still_kept = pool.apply(kept_and_returned)
    if kept < BLOCK // 2:
        pytest.skip(f"this system does not keep freed memory: {kept} bytes")
    assert still_kept < BLOCK // 10
