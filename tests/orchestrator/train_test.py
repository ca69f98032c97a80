"""The train command up to where it would start something."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import HiperError
from core.exit_codes import REFUSED, of_error
from orchestrator.train import PROGRAM, TRAINING, Flags, resume_command, train
from run_folder.folder import RunFolder
from run_folder.opening import hold, open_run

GENERATED = ("--environment.source=generated", "--environment.generator.games=6")


@pytest.fixture(autouse=True)
def typed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def test_its_defaults_are_those_of_training_and_a_run_in_the_folder_is_resumed(
    typed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = open_run([*GENERATED, "--run-dir", "run", "--hours", "0.5"], PROGRAM, Flags, TRAINING, resumes=True)
    assert (new.configuration.learner.updates, new.flags.hours) == (100, 0.5)
    assert new.configuration.environment.step_limit == 50
    hold(typed_in / "run", new.configuration).release()
    RunFolder(typed_in / "run").episodes.touch()
    for resume in ((), ("--resume",)):
        assert train(["--run-dir", "run", *resume, "--learner.updates", "104", "--dry-run"]) == 0
        output = capsys.readouterr().out
        assert "updates = 104" in output and "resume = true" in output and "games = 6" in output
    with pytest.raises(HiperError, match="lora.rank was 8, not 4"):
        train(["--run-dir", "run", "--lora.rank", "4"])
    assert resume_command(typed_in / "run") == (
        f"./bazelw run //orchestrator:train -- --run-dir {typed_in / 'run'}"
    )


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
    with pytest.raises(HiperError) as failure:
        train(options)
    assert message in str(failure.value)
    assert of_error(failure.value) == REFUSED
    assert list(typed_in.iterdir()) == []
