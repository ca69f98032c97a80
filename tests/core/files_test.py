"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ExhaustedError
from core.files import replace_file, sweep_unfinished, written_beside
from tests.small_disk import files_of_at_most


def test_a_replaced_file_is_on_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel is asked to write through, in order: the content, the name, the folder."""
    path = tmp_path / "configuration.toml"
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    replace_file(path, "a = 1")
    assert calls == [".configuration.toml.new", "rename", tmp_path.name]
    assert path.read_text() == "a = 1"


def test_a_file_that_finds_no_room_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    replace_file(path, "before")
    with files_of_at_most(100), pytest.raises(ExhaustedError, match=r"metrics\.jsonl cannot be written"):
        replace_file(path, "x" * 10_000)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = {"7", ".hidden", "lock", "8.partial", ".git"}
    for name in kept:
        (tmp_path / name).mkdir()
    (tmp_path / ".metrics.jsonl.new").write_text("half")
    unfinished = written_beside(tmp_path / "9")
    folder = unfinished.__enter__()
    (folder / "weights").write_text("half")
    assert sweep_unfinished(tmp_path) == sorted([folder.name, ".metrics.jsonl.new"])
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert sweep_unfinished(tmp_path / "nothing") == []


def test_only_what_was_to_get_certain_names_is_swept(tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "report.html"):
        (tmp_path / f".{name}.new").write_text("half")
    assert sweep_unfinished(tmp_path, of=("metrics.jsonl",)) == [".metrics.jsonl.new"]
    assert [path.name for path in tmp_path.iterdir()] == [".report.html.new"]


def test_a_folder_whose_replacement_was_killed_is_whole_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each of the renamings and removals of a replacement, and after the last one."""
    rename, rmtree = Path.rename, shutil.rmtree
    found = []
    for survived in range(4):
        folder = tmp_path / str(survived) / "7"
        folder.mkdir(parents=True)
        (folder / "weights").write_text("old")
        left = [survived]

        def until_killed(works: Callable[..., object], left: list[int] = left) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise _Killed
                return works(*arguments, **options)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", until_killed(rename))
            patched.setattr(shutil, "rmtree", until_killed(rmtree))
            try:
                with written_beside(folder) as unfinished:
                    (unfinished / "weights").write_text("new")
            except _Killed:
                assert survived < 3
        sweep_unfinished(folder.parent)
        assert [path.name for path in folder.parent.iterdir()] == ["7"]
        found.append((folder / "weights").read_text())
    assert found == ["old", "old", "new", "new"]


class _Killed(BaseException):
    """What ends a process without any of its clean-up, as far as files go."""
