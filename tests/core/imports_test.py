"""Garbage collection around imports."""

from __future__ import annotations

import gc

import pytest

from core.imports import collection_paused


def test_there_is_no_collection_in_the_block_and_its_objects_are_left_alone_afterwards() -> None:
    try:
        with collection_paused():
            assert not gc.isenabled()
            made = [[] for _ in range(10)]
        assert gc.isenabled()
        assert not any(each is made for each in gc.get_objects())
        assert gc.get_freeze_count() > len(made)
    finally:
        gc.unfreeze()


def test_collection_is_resumed_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), collection_paused():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()
