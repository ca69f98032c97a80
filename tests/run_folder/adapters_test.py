"""Which adapters a name means."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.role import Role
from run_folder.adapters import (
    AdapterChoice,
    checked,
    found,
    named,
    of_no_run,
    of_run,
    run_of,
)
from run_folder.folder import RunFolder
from serving.adapters.pair import AdapterPair


def adapter(folder: Path, weights: bytes = b"weights") -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(weights)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with versions 0 and 10; the executor also has 2, which the planner lacks."""
    root = tmp_path / "run"
    for role, version in (
        ("planner", 0),
        ("executor", 0),
        ("planner", 10),
        ("executor", 10),
        ("executor", 2),
    ):
        adapter(root / "adapters" / role / str(version))
    (root / "configuration.toml").write_text("")
    return root


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    for role in Role:
        adapter(tmp_path / "pair" / role.value, role.value.encode())
    return tmp_path / "pair"


def test_the_base_model_has_no_adapters() -> None:
    base = named("base", None)
    assert base == AdapterChoice("base", -1, None)
    assert (base.folders, base.hashes) == ({}, {})


def test_the_newest_version_is_the_largest_number_that_both_roles_have(run: Path) -> None:
    assert (found(run, None).label, found(run, None).version) == ("v10", 10)
    assert of_run(RunFolder(run), 0).folders == {r.value: run / "adapters" / r.value / "0" for r in Role}


def test_a_checkpoint_means_its_own_version_whatever_was_asked_for(run: Path) -> None:
    (run / "checkpoints" / "0").mkdir(parents=True)
    assert found(run / "checkpoints" / "0", 10).version == 0


def test_a_name_is_relative_to_where_the_command_was_typed(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(run.parent))
    assert named("run", None) == found(run, None)


def test_a_pair_of_no_run_has_version_0_and_its_files_hashes(pair: Path) -> None:
    choice = found(pair, None)
    assert (choice.label, choice.version) == ("adapters", 0)
    assert choice.folders == {"planner": pair / "planner", "executor": pair / "executor"}
    assert choice.hashes["planner"] != choice.hashes["executor"]
    assert all(len(each) == len(hashlib.sha256().hexdigest()) for each in choice.hashes.values())
    (pair / "planner" / "adapter_model.safetensors").write_bytes(b"executor")
    assert found(pair, None).hashes["planner"] == choice.hashes["executor"]


def test_a_run_with_a_pair_of_its_own_in_it_is_taken_as_the_pair(run: Path) -> None:
    for role in Role:
        adapter(run / role.value)
    assert found(run, None).label == "adapters"


@pytest.mark.parametrize(("version", "there"), [(2, "0, 10"), (7, "0, 10")])
def test_a_version_that_one_role_lacks_is_not_there(run: Path, version: int, there: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no adapters of version {version}; there are {there}"):
        found(run, version)


def test_a_run_without_adapters_says_where_they_would_be(tmp_path: Path) -> None:
    (tmp_path / "configuration.toml").write_text("")
    (tmp_path / "adapters").mkdir()
    with pytest.raises(
        ConfigurationError, match=r"no adapters yet: looked for .*planner.* and the executor's"
    ):
        found(tmp_path, None)


def test_a_folder_with_nothing_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        found(tmp_path / "nothing", None)
    for looked_for in ("configuration.toml", "adapters/", "checkpoints/3", "planner/adapter_config.json"):
        assert looked_for in str(refused.value)


@pytest.mark.parametrize("name", ["last", "-1", "1.5"])
def test_a_checkpoint_is_named_by_its_version(run: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"checkpoints/{name} is not a checkpoint"):
        found(run / "checkpoints" / name, None)


@pytest.mark.parametrize("lost", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_pair_with_a_lost_file_names_it(pair: Path, lost: str) -> None:
    (pair / "executor" / lost).unlink()
    with pytest.raises(
        ConfigurationError, match=f"no adapter for the executor: there is no .*executor/{lost}"
    ):
        of_no_run(AdapterPair.within(pair))
    with pytest.raises(ConfigurationError):
        checked(AdapterPair.within(pair))


def test_the_run_of_a_checkpoint(run: Path, tmp_path: Path) -> None:
    assert run_of("run", run) == run
    assert run_of("run/checkpoints/3", run / "checkpoints" / "3") == run
    assert run_of("elsewhere", tmp_path / "elsewhere") is None
    assert run_of("base", run) is run_of("warm-start", run) is None
