"""Games in a tree and in a packed archive."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.alfworld.archive import ArchiveSource
from environments.alfworld.benchmark import AlfworldBenchmark, load
from environments.alfworld.errors import GameFileError
from environments.alfworld.game_source import task_of
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.generator.files import write
from environments.alfworld.sources import TreeSource, open_source
from environments.errors import (
    EnvironmentDataError,
    OutputError,
    UnknownSplitError,
    UnknownTaskError,
    UnknownTaskTypeError,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def source() -> GeneratedSource:
    return GeneratedSource(GeneratorSettings(games=3), seed=4)


@pytest.fixture
def tree(tmp_path: Path, source: GeneratedSource) -> Path:
    write(source, tmp_path / "json_2.1.1", source.tasks())
    return tmp_path / "json_2.1.1"


@pytest.fixture
def archive(tmp_path: Path, tree: Path) -> Path:
    path = tmp_path / "packed" / "alfworld-text.tar.xz"
    path.parent.mkdir()
    with tarfile.open(path, "w:xz") as packed:
        for split in sorted(tree.iterdir()):
            packed.add(split, split.name)
    return path


def test_a_tree_an_archive_and_their_folders_hold_the_same_games(
    tmp_path: Path, tree: Path, archive: Path, source: GeneratedSource
) -> None:
    for path in (tree, tmp_path, archive, archive.parent):
        found = open_source(path)
        assert found.tasks() == source.tasks()
        assert all(found.read(task.id) == source.read(task.id) for task in source.tasks())


def test_an_archive_is_read_through_once(archive: Path, own_cache: Path) -> None:
    first = ArchiveSource(archive)
    (index,) = own_cache.iterdir()
    written = index.stat().st_mtime_ns
    second = ArchiveSource(archive)
    assert second.tasks() == first.tasks()
    assert [path.stat().st_mtime_ns for path in own_cache.iterdir()] == [written]


def test_an_archive_works_without_a_folder_for_its_index(
    archive: Path, source: GeneratedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "file"))
    found = ArchiveSource(archive)
    assert found.read(source.tasks()[0].id) == source.read(source.tasks()[0].id)


def test_a_truncated_archive_is_refused_and_leaves_no_index(archive: Path, own_cache: Path) -> None:
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(EnvironmentDataError, match="not a complete archive"):
        ArchiveSource(archive)
    assert not list(own_cache.iterdir())


def test_what_is_no_archive_of_games_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alfworld.tar.xz").write_bytes(b"PK\x03\x04" * 300)
    with pytest.raises(EnvironmentDataError, match="not a complete archive"):
        open_source(tmp_path)
    with tarfile.open(tmp_path / "alfworld.tar.xz", "w:xz") as packed:
        packed.add(__file__, "train/a/b/readme.txt")
    with pytest.raises(EnvironmentDataError, match=r"holds no game\.tw-pddl"):
        open_source(tmp_path)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentDataError, match="there is no such file or folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(EnvironmentDataError, match="expected the folders train, valid_seen"):
        open_source(tmp_path)
    with pytest.raises(EnvironmentDataError, match=r"set ALFWORLD_DATA or environment\.data"):
        load(EnvironmentSettings(source="real"))


def test_nothing_is_written_over(tree: Path, source: GeneratedSource) -> None:
    before = sorted(tree.rglob("*"))
    with pytest.raises(OutputError, match="nothing was written"):
        write(source, tree, source.tasks())
    assert sorted(tree.rglob("*")) == before


def test_a_vanished_game_is_named(tree: Path, source: GeneratedSource) -> None:
    found = TreeSource(tree)
    task = found.tasks()[0]
    (tree / task.id / "game.tw-pddl").unlink()
    with pytest.raises(GameFileError, match="cannot be read"):
        found.read(task.id)


def test_what_alfworld_leaves_out_is_left_out() -> None:
    assert task_of("train/pick_and_place_simple-Mug-None-Desk-308/trial_T1") is not None
    assert task_of("train/pick_and_place_with_movable_recep-Mug-Bowl-Desk-308/trial_T1") is None
    assert task_of("train/pick_and_place_simple-AppleSliced-None-Fridge-8/trial_T1") is None
    assert task_of("tests_seen/a-b-c/trial_T1") is None
    assert task_of("train/readme") is None


def test_load_takes_what_the_settings_say(
    tree: Path, source: GeneratedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(settings: EnvironmentSettings) -> str:
        return load(settings).tasks("train")[0].id

    mine = source.tasks()[0].id
    assert first(EnvironmentSettings(data=tree)) == mine
    assert first(EnvironmentSettings(generator=source.settings, seed=4)) == mine
    monkeypatch.setenv("ALFWORLD_DATA", str(tree))
    assert first(EnvironmentSettings()) == mine
    assert first(EnvironmentSettings(source="generated", seed=9)) != mine


def test_unknown_tasks_and_splits_are_refused_with_the_nearest(source: GeneratedSource) -> None:
    benchmark = AlfworldBenchmark(source)
    with pytest.raises(UnknownSplitError, match="Did you mean valid_unseen"):
        benchmark.tasks("valid_unsen")
    task = benchmark.tasks("train")[0]
    with pytest.raises(UnknownTaskError, match=f"Did you mean {task.id}"):
        benchmark.task(task.id[:-1])
    with pytest.raises(UnknownTaskError):
        benchmark.environment().reset(options={"task": "../../etc/passwd"})


def test_task_types_of_any_data_can_be_chosen(tree: Path) -> None:
    chosen = EnvironmentSettings(data=tree, task_types=("look_at_obj_in_light",))
    benchmark = load(chosen)
    assert {task.type for split in benchmark.splits for task in benchmark.tasks(split)} == {
        "look_at_obj_in_light"
    }
    with pytest.raises(UnknownTaskTypeError, match="Did you mean look_at_obj_in_light"):
        load(chosen.model_copy(update={"task_types": ("look_at_obj",)}))
    with pytest.raises(EnvironmentDataError, match="no games of the task types pick_two_obj_and_place"):
        load(chosen.model_copy(update={"task_types": ("pick_two_obj_and_place",)}))
