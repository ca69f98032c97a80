"""Garbage collection around imports."""

from __future__ import annotations

import gc
import importlib
from pathlib import Path

import pytest

from core.imports import collection_paused


def test_there_is_no_collection_in_the_block_and_what_it_imports_is_left_alone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large_package.py").write_text("made = [[]]")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with collection_paused():
            assert not gc.isenabled()
            made = importlib.import_module("large_package").made
        assert gc.isenabled()
        assert not any(each is made for each in gc.get_objects())
    finally:
        gc.unfreeze()


def test_a_block_that_imports_nothing_new_leaves_no_garbage_behind() -> None:
    with collection_paused():
        made: list[object] = []
    assert any(each is made for each in gc.get_objects())


def test_collection_is_resumed_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), collection_paused():
        raise ImportError
    assert gc.isenabled()
