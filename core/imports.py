"""Faster imports of large packages."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Imports in the block run without garbage collection, which is resumed after it.

    An import of PyTorch and Transformers makes a million objects that stay. Python would look through them
    again and again for garbage: a seventh of the time. If the block has imported anything, what is there at
    its end is never looked through again, which also shortens all later collections.
    """
    was_on, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:
            gc.freeze()
        if was_on:
            gc.enable()
