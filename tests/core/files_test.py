"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from core.errors import CorruptDataError, ExhaustedError
from core.files import (
    MANIFEST,
    appended_whole,
    check_manifest,
    replace_file,
    room_for,
    sweep_unfinished,
    write_manifest,
    written_beside,
)
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


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    with written_beside(tmp_path / "9") as folder:
        (folder / "weights").write_text("old")
        (folder / "only in the old one").write_text("")
    with written_beside(tmp_path / "9") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "weights").write_text("new")
        assert (tmp_path / "9" / "weights").read_text() == "old", "until the block has ended"
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "9",
        "9/sub",
        "9/sub/weights",
    ]
    assert (tmp_path / "9").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_whose_block_fails_is_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    with written_beside(tmp_path / "9") as folder:
        (folder / "weights").write_text("old")
    with pytest.raises(error), written_beside(tmp_path / "9") as folder:
        (folder / "weights").write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["9"]
    assert (tmp_path / "9" / "weights").read_text() == "old"


def test_a_folder_that_cannot_get_its_name_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with written_beside(tmp_path / "9") as folder:
        (folder / "weights").write_text("old")
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if (self / "weights").read_text() == "new":
            raise PermissionError(f"{target} cannot be renamed")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(PermissionError), written_beside(tmp_path / "9") as folder:
        (folder / "weights").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["9"]
    assert (tmp_path / "9" / "weights").read_text() == "old"


def test_a_folder_that_finds_no_room_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ExhaustedError, match=r"/9 cannot be written: "),
        files_of_at_most(100),
        written_beside(tmp_path / "9") as folder,
    ):
        (folder / "weights").write_text("x" * 10_000)
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_a_file_as_long_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    with appended_whole(path), path.open("a") as file:
        file.write("first\n")
    with pytest.raises(ValueError), appended_whole(path), path.open("a") as file:
        file.write("second")
        file.flush()
        raise ValueError
    assert path.read_text() == "first\n"
    with (
        files_of_at_most(100),
        pytest.raises(ExhaustedError, match=r"lines\.jsonl cannot be written"),
        appended_whole(path),
        path.open("a") as file,
    ):
        file.write("x" * 10_000)
    assert path.read_text() == "first\n"


def test_a_file_that_was_not_there_stays_empty_when_its_first_line_fails(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    with pytest.raises(ValueError), appended_whole(path), path.open("a") as file:
        file.write("half")
        raise ValueError
    assert path.read_text() == ""
    with pytest.raises(ValueError), appended_whole(tmp_path / "never opened"):
        raise ValueError
    assert not (tmp_path / "never opened").exists()


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), room_for(tmp_path / "x"):
        (tmp_path / "nowhere" / "x").write_text("")
    with pytest.raises(SafetensorError), room_for(tmp_path / "x"):
        raise SafetensorError("another error (os error 2)")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_kind_of_full_disk_is_named_also_by_safetensors(tmp_path: Path, code: int) -> None:
    reason = os.strerror(code)
    for error in (OSError(code, "x"), SafetensorError(f"I/O error: something (os error {code})")):
        with (
            pytest.raises(ExhaustedError, match=f"weights cannot be written: {reason}"),
            room_for(tmp_path / "weights"),
        ):
            raise error


def with_manifest(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "weights").write_text("one")
    (folder / "sub" / "config.json").write_text("{}")
    write_manifest(folder)
    return folder


def test_a_manifest_has_the_sha256_of_every_file(tmp_path: Path) -> None:
    folder = with_manifest(tmp_path)
    hashes = json.loads((folder / MANIFEST).read_text())
    assert hashes == {
        "weights": hashlib.sha256(b"one").hexdigest(),
        "sub/config.json": hashlib.sha256(b"{}").hexdigest(),
    }
    check_manifest(folder)
    (folder / "another file").write_text("")
    check_manifest(folder)


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    folder = with_manifest(tmp_path)
    (folder / "weights").write_text("two")
    with pytest.raises(CorruptDataError, match="weights was changed or damaged"):
        check_manifest(folder)
    (folder / "sub" / "config.json").unlink()
    with pytest.raises(CorruptDataError, match=r"sub/config\.json is missing"):
        check_manifest(folder)


@pytest.mark.parametrize("content", [None, "", "[]", "7", '{"weights": ', b"\xff\xfe"])
def test_a_manifest_that_cannot_be_read_is_corrupt(tmp_path: Path, content: str | bytes | None) -> None:
    folder = with_manifest(tmp_path)
    if content is None:
        (folder / MANIFEST).unlink()
    else:
        (folder / MANIFEST).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorruptDataError, match=f"has no readable {MANIFEST}"):
        check_manifest(folder)


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
