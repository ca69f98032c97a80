"""Faster imports of large packages."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Imports in the block run without garbage collection, which is resumed after it.

    An import of PyTorch and Transformers makes a million objects that stay. Python would look through them
    again and again for garbage: a tenth of the time. What is there at the end of the block is never looked
    through again, which also shortens all later collections.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
