"""The folder of a run."""

from datetime import datetime
from pathlib import Path

import pytest

from configuration.keys import keys
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.role import Role
from run_folder import folder as run_folder


def configured(root: Path, resume: bool = False, **sections: dict[str, object]) -> Configuration:
    return Configuration.model_validate({"run": {"dir": str(root), "resume": resume, "seed": 1}, **sections})


def started(root: Path, **sections: dict[str, object]) -> None:
    run_folder.hold(root, configured(root, **sections)).release()
    run_folder.RunFolder(root).episodes.touch()


def test_a_new_folder_holds_the_configuration_as_used(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "run"
    configuration = configured(root, learner={"updates": 5})
    held = run_folder.hold(root, configuration)
    assert Configuration.model_validate(run_folder.saved_tree(root)) == configuration
    assert held.folder.log("planner").parent.is_dir()
    held.release()


def test_default_folders_are_named_by_time_and_never_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    now = lambda: datetime(2026, 11, 22, 9, 5, 7)  # noqa: E731
    first = run_folder.choose(Configuration(), now)
    assert first == tmp_path / "runs" / "20261122-090507-0"
    first.mkdir(parents=True)
    assert run_folder.choose(Configuration(), now) == tmp_path / "runs" / "20261122-090507-1"


def test_a_run_is_not_overwritten_and_both_ways_out_are_named(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(ConfigurationError, match="--resume continues it, another --run-dir starts a new one"):
        run_folder.hold(tmp_path, configured(tmp_path))


def test_a_run_that_never_got_started_is_no_obstacle(tmp_path: Path) -> None:
    run_folder.hold(tmp_path, configured(tmp_path, learner={"updates": 5})).release()
    run_folder.hold(tmp_path, configured(tmp_path, learner={"updates": 6})).release()
    assert run_folder.saved_tree(tmp_path)["learner"]["updates"] == 6


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigurationError, match="takes a new or empty folder"):
        run_folder.hold(tmp_path, configured(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ConfigurationError, match="is no folder"):
        run_folder.check(file, configured(file))


def test_resuming_takes_up_the_same_run(tmp_path: Path) -> None:
    started(tmp_path)
    run_folder.hold(tmp_path, configured(tmp_path, resume=True)).release()


def test_resuming_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no run in"):
        run_folder.check(tmp_path, configured(tmp_path, resume=True))


def test_resuming_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="--resume needs --run-dir"):
        run_folder.check(Path("/nowhere"), Configuration.model_validate({"run": {"resume": True}}))


def test_what_a_run_is_cannot_change(tmp_path: Path) -> None:
    started(tmp_path, environment={"step_limit": 4})
    other = configured(tmp_path, resume=True, environment={"step_limit": 5})
    with pytest.raises(ConfigurationError, match="environment.step_limit was 4, not 5"):
        run_folder.hold(tmp_path, other)


def test_where_it_runs_and_how_long_may_change(tmp_path: Path) -> None:
    started(tmp_path)
    moved = configured(
        tmp_path,
        resume=True,
        planner={"address": "elsewhere:5001", "threads": 4},
        orchestrator={"concurrency": 2},
        learner={"updates": 9},
        ppo={"learning_rate": 1e-3, "planner_learning_rate": 1e-5},
    )
    run_folder.hold(tmp_path, moved).release()


def test_keys_that_may_change_exist() -> None:
    assert {key.name for key in keys(Configuration)} >= run_folder.MAY_CHANGE


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    held = run_folder.hold(tmp_path, configured(tmp_path))
    with pytest.raises(ConfigurationError, match=r"process \d+ plays in .* now"):
        run_folder.hold(tmp_path, configured(tmp_path, resume=True))
    held.release()
    run_folder.hold(tmp_path, configured(tmp_path, resume=True)).release()


def test_versions_are_those_that_both_roles_have(tmp_path: Path) -> None:
    folder = run_folder.RunFolder(tmp_path)
    assert folder.adapter_versions() == folder.checkpoint_versions() == []
    for role, version in ((Role.PLANNER, 10), (Role.EXECUTOR, 10), (Role.PLANNER, 9), (Role.EXECUTOR, 9)):
        folder.adapter(role, version).mkdir(parents=True)
    folder.adapter(Role.PLANNER, 11).mkdir()
    (folder.adapters / "planner" / "12.unfinished").mkdir()
    for version in (9, 10):
        folder.checkpoint(version).mkdir(parents=True)
    assert (folder.adapter_versions(), folder.checkpoint_versions()) == ([9, 10], [10, 9])


def test_a_pair_is_both_adapters_of_a_version(tmp_path: Path) -> None:
    folder = run_folder.RunFolder(tmp_path)
    assert dict(folder.pair(3).items()) == {role: folder.adapter(role, 3) for role in Role}
