"""A pair of adapters: where its folders are, what is missing, and what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import CorruptDataError
from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.origin import ORIGIN_FILE, AdapterOrigin, base_of
from serving.adapters.pair import AdapterPair


def test_a_pair_has_a_folder_for_each_role(tmp_path: Path) -> None:
    pair = AdapterPair.within(tmp_path)
    assert (pair.planner, pair.executor) == (tmp_path / "planner", tmp_path / "executor")
    assert dict(pair.items()) == {role: tmp_path / role.value for role in Role}


def test_the_first_missing_file_is_named_until_all_are_there(tmp_path: Path) -> None:
    pair = AdapterPair.within(tmp_path)
    for role, folder in pair.items():
        folder.mkdir()
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            assert pair.missing() == (role, folder / name)
            (folder / name).write_text(f"{role.value} {name}")
    assert pair.missing() is None


def test_hashes_differ_by_content_and_by_nothing_else(tmp_path: Path) -> None:
    pair = AdapterPair.within(tmp_path)
    for folder in (pair.planner, pair.executor):
        folder.mkdir()
        (folder / CONFIG_FILE).write_bytes(b"{}")
        (folder / WEIGHTS_FILE).write_bytes(b"weights")
    hashes = pair.hashes()
    assert hashes[Role.PLANNER] == hashes[Role.EXECUTOR] and len(hashes[Role.PLANNER]) == 64
    (pair.executor / WEIGHTS_FILE).write_bytes(b"others")
    assert pair.hashes()[Role.EXECUTOR] != hashes[Role.EXECUTOR]


def test_an_adapter_says_what_it_was_made_on(tmp_path: Path) -> None:
    assert base_of(tmp_path) is None
    AdapterOrigin("f00d", "planner", 3).write(tmp_path)
    assert base_of(tmp_path) == "f00d"


@pytest.mark.parametrize("content", ["", "[]", "{}", '"text"'])
def test_an_origin_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / ORIGIN_FILE).write_text(content)
    with pytest.raises(CorruptDataError, match=ORIGIN_FILE):
        base_of(tmp_path)
