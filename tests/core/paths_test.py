"""Where the user's paths lead, and where data is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import cache_folder, user_path
from environments.locations import data_path, shared_data_path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILD_WORKING_DIRECTORY", "BUILD_WORKSPACE_DIRECTORY", "HIPER_DATA", "SOME_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_relative_paths_start_where_the_command_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert user_path("a/b") == Path.cwd() / "a" / "b"
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    assert user_path("a/b") == tmp_path / "a" / "b"
    assert user_path("../x") == tmp_path.parent / "x"
    assert user_path("/a") == Path("/a")


def test_the_home_folder_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert user_path("~/games") == Path("/somewhere/games")


def test_what_is_given_counts_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_path(None, "SOME_DATA") is None
    monkeypatch.setenv("SOME_DATA", "/from/variable")
    assert data_path(None, "SOME_DATA") == Path("/from/variable")
    assert data_path(Path("/given"), "SOME_DATA") == Path("/given")


def test_shared_data_is_beside_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared" / "game").mkdir(parents=True)
    (tmp_path / "other" / "game").mkdir(parents=True)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "checkout"))
    assert shared_data_path(None, "SOME_DATA", "game") == tmp_path / "shared" / "game"
    assert shared_data_path(None, "SOME_DATA", "nothing") is None
    monkeypatch.setenv("HIPER_DATA", str(tmp_path / "other"))
    assert shared_data_path(None, "SOME_DATA", "game") == tmp_path / "other" / "game"
    monkeypatch.setenv("SOME_DATA", "/from/variable")
    assert shared_data_path(None, "SOME_DATA", "game") == Path("/from/variable")


def test_the_cache_is_in_the_home_folder_or_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.delenv("HIPER_CACHE", raising=False)
    assert cache_folder() == Path("/somewhere/.cache/hiper")
    monkeypatch.setenv("HIPER_CACHE", "")
    assert cache_folder() == Path("/somewhere/.cache/hiper")
    monkeypatch.setenv("HIPER_CACHE", "~/files")
    assert cache_folder() == Path("/somewhere/files")
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("HIPER_CACHE", "files")
    assert cache_folder() == tmp_path / "files", "absolute, whatever folder a program changes to"
