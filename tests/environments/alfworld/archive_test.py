"""The index of a packed archive: what is in it, and what happens when its file is damaged."""

from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from environments.alfworld.archive import ArchiveSource, read_members
from environments.benchmark import Task
from environments.errors import EnvironmentDataError

MUG = "train/pick_and_place_simple-Mug-None-Desk-308/trial_T1"
BOOK = "valid_seen/look_at_obj_in_light-Book-None-DeskLamp-308/trial_T2"


def game(task_id: str) -> bytes:
    """A text of more than the 32 kB that DEFLATE looks back, most of it shared by all games."""
    return b"the rules of the room\n" * 2000 + task_id.encode()


def packed(path: Path, members: dict[str, bytes], mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return packed(
        tmp_path / "games.tar.xz",
        {f"{task_id}/game.tw-pddl": game(task_id) for task_id in (BOOK, MUG)},
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./", "json_2.1.1/", "./alfworld/json_2.1.1/"])
def test_ids_are_the_last_three_folders(tmp_path: Path, mode: str, prefix: str) -> None:
    path = packed(tmp_path / "games", {f"{prefix}{MUG}/game.tw-pddl": b"x"}, mode)
    assert list(read_members(path)) == [(MUG, b"x")]


def test_other_files_are_left_out(tmp_path: Path) -> None:
    others = {f"{MUG}/traj_data.json": b"{}", "readme.txt": b"", f"{MUG}/game.tw-pddl.bak": b"old"}
    path = packed(tmp_path / "games", {**others, f"{MUG}/game.tw-pddl": b"x"})
    assert list(read_members(path)) == [(MUG, b"x")]


def test_a_folder_with_a_game_s_name_is_not_a_game(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "games", "w") as archive:
        folder = tarfile.TarInfo(f"{MUG}/game.tw-pddl")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert list(read_members(tmp_path / "games")) == []


def test_games_are_listed_sorted_and_read_as_they_were_packed(archive: Path) -> None:
    source = ArchiveSource(archive)
    assert source.tasks() == (
        Task(MUG, "pick_and_place_simple", "train"),
        Task(BOOK, "look_at_obj_in_light", "valid_seen"),
    )
    assert source.read(MUG) == game(MUG)
    assert source.read(BOOK) == game(BOOK)


def test_a_game_that_is_not_there_is_refused_with_the_archive_s_name(archive: Path) -> None:
    with pytest.raises(EnvironmentDataError, match=r"games\.tar\.xz holds no game train/nothing"):
        ArchiveSource(archive).read("train/nothing")


def test_of_two_games_with_one_id_the_later_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "games.tar", "w") as archive:
        for content in (b"old", b"new"):
            member = tarfile.TarInfo(f"{MUG}/game.tw-pddl")
            member.size = 3
            archive.addfile(member, io.BytesIO(content))
    source = ArchiveSource(tmp_path / "games.tar")
    assert len(source.tasks()) == 1
    assert source.read(MUG) == b"new"


def test_games_that_alfworld_leaves_out_are_not_listed(tmp_path: Path) -> None:
    sliced = "train/pick_and_place_simple-AppleSliced-None-Fridge-8/trial_T1"
    path = packed(tmp_path / "games.tar", {f"{task_id}/game.tw-pddl": b"x" for task_id in (MUG, sliced)})
    assert [task.id for task in ArchiveSource(path).tasks()] == [MUG]


def test_a_changed_archive_has_an_index_of_its_own(archive: Path, cache: Path) -> None:
    assert len(ArchiveSource(archive).tasks()) == 2
    packed(archive, {f"{MUG}/game.tw-pddl": b"changed"})
    source = ArchiveSource(archive)
    assert [task.id for task in source.tasks()] == [MUG] and source.read(MUG) == b"changed"
    assert len(list(cache.iterdir())) == 2


def test_threads_may_share_a_source(archive: Path) -> None:
    source = ArchiveSource(archive)
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(source.read, [MUG, BOOK] * 20))
    assert read == [game(MUG), game(BOOK)] * 20


@pytest.mark.parametrize("damaged", [b"", b"SQLite format 3\0 and then nothing", b"\xff" * 5000])
def test_a_damaged_index_is_made_again(archive: Path, cache: Path, damaged: bytes) -> None:
    ArchiveSource(archive)
    (index,) = cache.iterdir()
    whole = index.read_bytes()
    index.write_bytes(damaged)
    assert ArchiveSource(archive).read(BOOK) == game(BOOK)
    assert index.read_bytes() == whole
