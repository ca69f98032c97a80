"""The train command up to where it would start something."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from orchestrator.train import read, resume_command, train
from run_folder import folder as run_folder

GENERATED = ("--environment.source=generated", "--environment.generator.games=6")


@pytest.fixture(autouse=True)
def typed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def test_its_defaults_are_those_of_training_and_a_file_stands_alone(typed_in: Path) -> None:
    own, flags = read(["--hours", "0.5"])
    assert (own.learner.updates, own.environment.step_limit, flags.hours) == (100, 50, 0.5)
    (typed_in / "own.toml").write_text("[learner]\nepisodes_per_update = 7\n")
    filed, _ = read(["--config", "own.toml"])
    assert (filed.learner.updates, filed.learner.episodes_per_update) == (2, 7)


def test_a_folder_with_a_run_means_that_it_goes_on_with_what_it_was_started_with(typed_in: Path) -> None:
    root = typed_in / "run"
    first, _ = read(["--run-dir", "run", "--lora.rank", "4", "--learner.updates", "3"])
    assert not first.run.resume
    run_folder.hold(root, first).release()
    run_folder.RunFolder(root).episodes.touch()
    again, _ = read(["--run-dir", "run", "--learner.updates", "5"])
    assert (again.lora.rank, again.learner.updates, again.run.resume) == (4, 5, True)
    with pytest.raises(ConfigurationError, match="lora.rank was 4, not 8"):
        read(["--run-dir", "run", "--lora.rank", "8"])
    assert resume_command(root) == f"./bazelw run //orchestrator:train -- --run-dir {root}"


def test_a_dry_run_leaves_nothing(typed_in: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train([*GENERATED, "--dry-run", "--learner.updates=3", "--tensorboard"]) == 0
    assert "tensorboard = true" in capsys.readouterr().out
    assert list(typed_in.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hours", "0"], "hours = '0'"),
        (["--hour", "1"], "unknown option --hour. Did you mean --hours?"),
        ([*GENERATED, "--split", "tain"], "unknown split 'tain'"),
    ],
)
def test_bad_input_is_named_before_anything_starts(typed_in: Path, options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        train(options)
    assert message in str(failure.value)
    assert list(typed_in.iterdir()) == []
