"""The rollout command up to where it would start something."""

import signal
from pathlib import Path

import pytest

from configuration.tree import Configuration
from core.errors import HiperError, UnavailableError
from core.exit_codes import REFUSED, Interrupted, of_error
from learner.imitation.shipped import shipped_pair
from learner.imitation.teaching import WarmStartSettings
from orchestrator import rollout as rollout_command
from orchestrator.preflight.pools import Machine
from orchestrator.rollout import FIRST_RUN, Flags, rollout
from orchestrator.run import Run
from run_folder.folder import RunFolder
from run_folder.opening import hold, open_run
from serving.model import resolve_model

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
        (
            [*GENERATED, "--trackio", "hiper"],
            "--run.trackio hiper needs the package trackio, which is not installed: pip install trackio",
        ),
        (["--resume"], "--resume needs --run-dir"),
        (["--run-dir", "nowhere", "--resume"], "there is no run in"),
    ],
)
def test_bad_input_is_named_before_anything_starts(typed_in: Path, options: list[str], message: str) -> None:
    with pytest.raises(HiperError) as failure:
        rollout(options)
    assert message in str(failure.value)
    assert of_error(failure.value) == REFUSED
    assert list(typed_in.iterdir()) == []


def read(*words: str) -> Configuration:
    return open_run(words, rollout_command.PROGRAM, Flags, FIRST_RUN, resumes=False).configuration


def test_the_first_run_is_small_and_a_file_stands_alone(typed_in: Path) -> None:
    small = read()
    assert (small.environment.step_limit, small.environment.generator.horizon) == (12, "short")
    (typed_in / "own.toml").write_text("[learner]\nupdates = 7\n")
    own = read("--config", "own.toml")
    defaults = Configuration()
    assert own.learner == defaults.learner.model_copy(update={"updates": 7})
    assert own.environment == defaults.environment


def test_the_first_run_begins_with_the_pair_that_was_taught_all_task_types(typed_in: Path) -> None:
    settings = WarmStartSettings.of(read())
    pair = shipped_pair(settings, resolve_model("bundled"), "alfworld")
    assert pair is not None
    assert {folder.parent.name for _, folder in pair.items()} == {"alfworld_transcript_wide"}


def test_the_command_of_the_readme_resumes_and_makes_the_run_longer(
    typed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = read(*GENERATED, "--run-dir", "run")
    hold(typed_in / "run", first).release()
    RunFolder(typed_in / "run").episodes.touch()
    assert rollout(["--run-dir", "run", "--resume", "--learner.updates", "4", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "updates = 4" in output and "step_limit = 12" in output
    with pytest.raises(HiperError, match="--resume continues it") as refused:
        rollout(["--run-dir", "run"])
    assert of_error(refused.value) == REFUSED


@pytest.mark.parametrize("error", [UnavailableError("the planner is not there"), Interrupted(signal.SIGTERM)])
def test_a_run_that_fails_says_how_to_resume_it_and_gives_its_folder_back(
    typed_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    async def fail(_: Run) -> None:
        raise error

    monkeypatch.setattr(Run, "play", fail)
    monkeypatch.setattr(Machine, "this", lambda: Machine(cores=2, gpus=0, memory=2**20))
    with pytest.raises(type(error)) as failure:
        rollout([*GENERATED, "--run-dir", "run"])
    command = f"./bazelw run //orchestrator:rollout -- --run-dir {typed_in / 'run'} --resume"
    assert failure.value.__notes__ == [f"To resume the run: {command}"]
    hold(typed_in / "run", read(*GENERATED, "--run-dir", "run")).release()
    assert "missing: memory: planner, executor, learner: up to " in capsys.readouterr().out


def test_what_goes_on_with_a_run() -> None:
    assert rollout_command._go_on("resume", made=3, wanted=5) == "resume"
    assert rollout_command._go_on("resume", made=5, wanted=5) == "resume --learner.updates 7"
