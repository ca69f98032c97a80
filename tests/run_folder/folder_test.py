"""Where things are in a run's folder."""

from __future__ import annotations

from pathlib import Path

from core.role import Role
from run_folder.folder import RunFolder


def test_versions_are_those_that_both_roles_have(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.adapter_versions() == folder.checkpoint_versions() == []
    for role, version in ((Role.PLANNER, 10), (Role.EXECUTOR, 10), (Role.PLANNER, 9), (Role.EXECUTOR, 9)):
        folder.adapter(role, version).mkdir(parents=True)
    folder.adapter(Role.PLANNER, 11).mkdir()
    (folder.adapters / "planner" / "12.unfinished").mkdir()
    for version in (9, 10):
        folder.checkpoint(version).mkdir(parents=True)
    assert (folder.adapter_versions(), folder.checkpoint_versions()) == ([9, 10], [10, 9])


def test_a_pair_is_both_adapters_of_a_version(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert dict(folder.pair(3).items()) == {role: folder.adapter(role, 3) for role in Role}
