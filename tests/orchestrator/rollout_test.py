"""The rollout command up to where it would start something."""

from pathlib import Path

import pytest

from configuration.tree import Configuration
from core.errors import ConfigurationError
from orchestrator import rollout as rollout_command
from orchestrator.rollout import read, rollout
from run_folder import folder as run_folder

GENERATED = ("--environment.source=generated", "--environment.generator.games=6")


@pytest.fixture(autouse=True)
def typed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def test_a_dry_run_prints_everything_and_leaves_nothing(
    typed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollout([*GENERATED, "--dry-run", "--learner.updates", "3", "--no-warm-start"]) == 0
    output = capsys.readouterr().out
    assert "# 18 episodes of alfworld, 6 tasks in split train, model bundled" in output
    assert "updates = 3" in output
    assert "enabled = false" in output
    assert list(typed_in.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learner.update", "3"], "unknown option --learner.update. Did you mean --learner.updates?"),
        (["--learner.updates", "none"], "learner.updates"),
        (["--environment.name", "chess"], "unknown environment 'chess'. Accepted: alfworld, webshop."),
        ([*GENERATED, "--orchestrator.split", "tain"], "unknown split 'tain'. Did you mean train?"),
        (["--model", "./nothing"], "no model at"),
        (
            [*GENERATED, "--wandb", "hiper"],
            "--run.wandb hiper needs the package wandb, which is not installed: pip install wandb",
        ),
        (["--resume"], "--resume needs --run-dir"),
        (["--run-dir", "nowhere", "--resume"], "there is no run in"),
    ],
)
def test_bad_input_is_named_before_anything_starts(typed_in: Path, options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        rollout(options)
    assert message in str(failure.value)
    assert list(typed_in.iterdir()) == []


def test_resuming_takes_the_options_of_the_first_time(typed_in: Path) -> None:
    first, _ = read(["--run-dir", "run", "--lora.rank", "4", "--learner.updates", "3"])
    assert first.run.dir == typed_in / "run"
    run_folder.hold(typed_in / "run", first).release()
    again, _ = read(["--run-dir", "run", "--resume", "--learner.updates", "5"])
    assert (again.lora.rank, again.learner.updates, again.run.dir) == (4, 5, typed_in / "run")
    with pytest.raises(ConfigurationError, match="lora.rank was 4, not 8"):
        read(["--run-dir", "run", "--resume", "--lora.rank", "8"])


def test_the_first_run_is_small_and_a_file_stands_alone(typed_in: Path) -> None:
    small, _ = read([])
    assert (small.environment.step_limit, small.environment.generator.horizon) == (8, "short")
    (typed_in / "own.toml").write_text("[learner]\nupdates = 7\n")
    own, _ = read(["--config", "own.toml"])
    defaults = Configuration()
    assert own.learner == defaults.learner.model_copy(update={"updates": 7})
    assert own.environment == defaults.environment


def test_what_goes_on_with_a_run() -> None:
    assert rollout_command._go_on("resume", made=3, wanted=5) == "resume"
    assert rollout_command._go_on("resume", made=5, wanted=5) == "resume --learner.updates 7"
