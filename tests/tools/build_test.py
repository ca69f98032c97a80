"""What every other test takes for granted of the build."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import hiper.v1
import pytest
from runfiles import Runfiles

from tests.shared_data import shared

PARTS = {
    *("benchmarks", "commands", "configuration", "core", "deploy", "environments", "executor", "hae"),
    *("hiper", "learner", "orchestrator", "planner", "play", "run_folder", "serving", "studies", "tests"),
    *("tools", "trajectory"),
}


def test_no_folder_of_a_main_file_is_on_the_path() -> None:
    folders = {Path(entry).resolve() for entry in sys.path if entry}
    assert Path(__file__).resolve().parent not in folders
    assert sys.flags.safe_path


def test_no_installed_package_has_a_name_of_ours() -> None:
    assert not PARTS & set(importlib.metadata.packages_distributions())


def test_stubs_are_generated_for_every_protocol_file() -> None:
    folder = Path(hiper.v1.__file__).parent
    names = {path.name.split("_pb2")[0] for path in folder.glob("*_pb2*.py")}
    assert {"adapter", "episode", "executor", "learner", "planner"} <= names


def test_the_environment_of_a_test_is_set() -> None:
    assert os.environ["FROM_BUILD"] == "yes"
    assert os.environ["HOME"] == os.environ["TEST_TMPDIR"]
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "PYTHONPATH" not in os.environ or os.environ["TEST_SRCDIR"] in os.environ["PYTHONPATH"]


def test_runfiles_are_found_under_the_name_of_the_workspace() -> None:
    runfiles = Runfiles.Create()
    assert runfiles is not None
    location = runfiles.Rlocation("hiper_rl/pyproject.toml")
    assert location is not None and Path(location).read_text().startswith("# Settings")


def test_missing_data_skips_and_fails_where_it_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPER_DATA", "/nowhere")
    monkeypatch.delenv("HIPER_REQUIRE_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="HIPER_DATA"):
        shared("hae/cases.json")
    monkeypatch.setenv("HIPER_REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="HIPER_DATA"):
        shared("hae/cases.json")
