"""Opening a run: which folder, new or resumed, and who may play in it."""

import re
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.keys import keys, value_of
from configuration.run import RunSettings
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError, CorruptDataError, HiperError, InvalidInputError
from core.exit_codes import REFUSED, of_error
from run_folder import opening, saved_configuration
from run_folder.folder import RunFolder
from run_folder.holding import hold_as_learner

DEFAULTS = {"learner": {"updates": 7}}


class Flags(Section):
    """A command's own options."""

    dry_run: bool = False
    """Starts nothing."""


def opened(*words: object, resumes: bool = False) -> Configuration:
    """The configuration of a command that was typed with these words."""
    return opening.open_run(list(map(str, words)), "test", Flags, DEFAULTS, resumes=resumes).configuration


def configured(root: Path, resume: bool = False, **sections: dict[str, object]) -> Configuration:
    return Configuration.model_validate({"run": {"dir": str(root), "resume": resume, "seed": 1}, **sections})


def started(root: Path, **sections: dict[str, object]) -> None:
    opening.hold(root, configured(root, **sections)).release()
    RunFolder(root).episodes.touch()


def test_a_new_folder_holds_the_configuration_as_used(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "run"
    configuration = configured(root, learner={"updates": 5})
    held = opening.hold(root, configuration)
    assert Configuration.model_validate(saved_configuration.read(root)) == configuration
    assert held.folder.log("planner").parent.is_dir()
    held.release()


def test_default_folders_are_named_by_time_and_never_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    now = lambda: datetime(2026, 11, 22, 9, 5, 7)  # noqa: E731
    first = opening.choose(RunSettings(), now)
    assert first == tmp_path / "runs" / "20261122-090507-0"
    first.mkdir(parents=True)
    assert opening.choose(RunSettings(), now) == tmp_path / "runs" / "20261122-090507-1"


def test_a_run_is_not_overwritten_and_both_ways_out_are_named(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(ConfigurationError, match="--resume continues it, another --run-dir starts a new one"):
        opening.hold(tmp_path, configured(tmp_path))


def test_a_run_that_never_got_started_is_no_obstacle(tmp_path: Path) -> None:
    opening.hold(tmp_path, configured(tmp_path, learner={"updates": 5})).release()
    opening.hold(tmp_path, configured(tmp_path, learner={"updates": 6})).release()
    assert saved_configuration.read(tmp_path)["learner"]["updates"] == 6


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigurationError, match="takes a new or empty folder"):
        opening.hold(tmp_path, configured(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_killed_start_left_is_no_obstacle(tmp_path: Path) -> None:
    hold_as_learner(RunFolder(tmp_path), 0.0).release()
    (tmp_path / ".configuration.toml.new").write_text("half")
    (tmp_path / ".episodes.sqlite.ab12_xyz").mkdir()
    opening.hold(tmp_path, configured(tmp_path)).release()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        opening.check(file, configured(file))


def test_resuming_takes_up_the_same_run(tmp_path: Path) -> None:
    started(tmp_path)
    opening.hold(tmp_path, configured(tmp_path, resume=True)).release()


def test_resuming_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no run in"):
        opening.check(tmp_path, configured(tmp_path, resume=True))


def test_resuming_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="--resume needs --run-dir"):
        opened("--resume")


def test_what_a_run_is_cannot_change(tmp_path: Path) -> None:
    started(tmp_path, environment={"step_limit": 4})
    other = configured(tmp_path, resume=True, environment={"step_limit": 5})
    with pytest.raises(ConfigurationError, match="environment.step_limit was 4, not 5"):
        opening.hold(tmp_path, other)


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
    opening.hold(tmp_path, moved).release()


@pytest.mark.parametrize("resumes", [False, True])
def test_a_new_run_has_the_defaults_of_its_command_or_a_file_alone(tmp_path: Path, resumes: bool) -> None:
    new = opened("--run-dir", tmp_path / "run", resumes=resumes)
    assert (new.learner.updates, new.run.dir, new.run.resume) == (7, tmp_path / "run", False)
    (tmp_path / "own.toml").write_text("[lora]\nrank = 4\n")
    filed = opened("--run-dir", tmp_path / "run", "--config", tmp_path / "own.toml", resumes=resumes)
    assert (filed.learner.updates, filed.lora.rank) == (Configuration().learner.updates, 4)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("words", "resumes"), [(("--resume",), False), ((), True), (("--resume",), True)])
def test_a_resumed_run_has_its_saved_configuration_under_what_is_given(
    tmp_path: Path, words: tuple[str, ...], resumes: bool
) -> None:
    root = tmp_path / "run"
    started(root, learner={"updates": 3}, lora={"rank": 4})
    again = opened("--run-dir", root, *words, "--learner.updates", 5, resumes=resumes)
    assert (again.learner.updates, again.lora.rank, again.run.dir, again.run.resume) == (5, 4, root, True)
    (tmp_path / "own.toml").write_text("[learner]\nupdates = 9\n")
    filed = opened("--run-dir", root, *words, "--config", tmp_path / "own.toml", resumes=resumes)
    assert (filed.learner.updates, filed.lora.rank) == (9, 4)
    with pytest.raises(ConfigurationError, match="lora.rank was 4, not 8"):
        opened("--run-dir", root, *words, "--lora.rank", 8, resumes=resumes)


def test_a_run_that_was_moved_is_resumed_where_it_is(tmp_path: Path) -> None:
    started(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    assert opened("--run-dir", tmp_path / "after", "--resume").run.dir == tmp_path / "after"


def test_a_folder_with_a_run_is_refused_unless_one_of_both_resumes(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(ConfigurationError, match="--resume continues it"):
        opened("--run-dir", tmp_path)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(key.name for key in keys(Configuration))), st.integers(1, 9))
def test_only_what_may_change_differs_in_a_resumed_run(name: str, number: int) -> None:
    """Numbers alone: each is another value than the default's, or refused by its section."""
    with tempfile.TemporaryDirectory() as folder:
        started(Path(folder))
        try:
            again = opened("--run-dir", folder, "--resume", f"--{name}={number}")
        except InvalidInputError as error:
            same_run = "cannot be resumed with another configuration" not in str(error)
            assert same_run or name not in opening.MAY_CHANGE
        else:
            before = configured(Path(folder))
            assert name in opening.MAY_CHANGE or value_of(again, name) == value_of(before, name)


def test_keys_that_may_change_exist() -> None:
    tables = tuple(f"{key.name}." for key in keys(Configuration) if key.is_table)
    changing = {name for name in opening.MAY_CHANGE if not name.startswith(tables)}
    assert {key.name for key in keys(Configuration)} >= changing


def test_of_vllm_s_options_only_those_of_place_and_speed_may_change(tmp_path: Path) -> None:
    vllm = {"engine": "vllm", "vllm": {"quantization": "fp8", "enforce_eager": True}}
    started(tmp_path, executor=vllm)
    again = ["--run-dir", tmp_path, "--resume", "--executor.vllm.tensor_parallel_size", 2]
    changed = opened(*again, "--executor.vllm.enforce_eager", "none").executor.vllm
    assert changed == {"quantization": "fp8", "tensor_parallel_size": 2}
    with pytest.raises(ConfigurationError, match=r"executor.vllm.quantization was 'fp8', not None"):
        opened(*again, "--executor.vllm.quantization", "none")


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    held = opening.hold(tmp_path, configured(tmp_path))
    with pytest.raises(ConfigurationError, match=r"process \d+ plays in .* now"):
        opening.hold(tmp_path, configured(tmp_path, resume=True))
    held.release()
    opening.hold(tmp_path, configured(tmp_path, resume=True)).release()


def test_a_run_that_began_before_patience_and_short_leases_is_resumed(tmp_path: Path) -> None:
    started(tmp_path, learner={"lease_seconds": 900.0})
    saved = RunFolder(tmp_path).configuration
    written = saved.read_text()
    assert "patience_seconds = 300.0\n" in written
    # Those versions wrote no hash into the first line either.
    before_pools = re.sub(r"\n\[pool\]\n[^\[]*", "\n", written.partition("\n")[2])
    assert "heartbeat_seconds" not in before_pools
    saved.write_text(before_pools.replace("patience_seconds = 300.0\n", "attempts = 4\n"))
    resumed = opened("--run-dir", tmp_path, "--resume")
    assert (resumed.orchestrator.patience_seconds, resumed.learner.lease_seconds) == (300.0, 900.0)


def test_attempts_are_refused_with_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text("[orchestrator]\nattempts = 4\n")
    with pytest.raises(InvalidInputError, match=r"attempts has been replaced: write .*patience_seconds"):
        opened("--config", file)


def test_a_configuration_that_ends_early_is_refused_and_never_read_as_the_defaults(tmp_path: Path) -> None:
    started(tmp_path, lora={"rank": 4})
    path = RunFolder(tmp_path).configuration
    whole = path.read_bytes()
    assert opened("--run-dir", tmp_path, "--resume").lora.rank == 4
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(HiperError, match=r"configuration\.toml") as refused:
            opened("--run-dir", tmp_path, "--resume")
        assert of_error(refused.value) == REFUSED


def test_a_configuration_that_was_changed_is_refused_unless_its_first_line_is_removed(tmp_path: Path) -> None:
    started(tmp_path)
    path = RunFolder(tmp_path).configuration
    edited = path.read_text().replace("\nrank = 8\n", "\nrank = 4\n")
    path.write_text(edited)
    with pytest.raises(CorruptDataError, match="was changed or damaged: .* remove that line"):
        opened("--run-dir", tmp_path, "--resume")
    path.write_text(edited.partition("\n")[2])
    assert opened("--run-dir", tmp_path, "--resume").lora.rank == 4


def test_damaged_metrics_are_named_before_anything_starts(tmp_path: Path) -> None:
    started(tmp_path)
    RunFolder(tmp_path).metrics.write_text("no metrics\n")
    with pytest.raises(CorruptDataError, match=r"metrics\.jsonl was changed or damaged: line 1"):
        opened("--run-dir", tmp_path, "--resume")
