"""A warm start that is interrupted, with a tiny model that reads bytes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.learner import ImitationSettings, LearnerSettings, LoraSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from core.role import Role
from environments.registry import load
from learner.imitation.checkpoints import KEPT_DAYS, checkpoint_of, lock_of, sweep_checkpoints
from learner.imitation.teaching import WarmStart, WarmStartSettings, warm_start
from learner.update.checkpoint import PARAMETERS
from serving.adapters.folder import WEIGHTS_FILE
from serving.model import ModelFolder
from tests.learner.imitation.byte_model import byte_model

SERVER = {"context_length": 2048, "max_new_tokens": 64, "history": 1}
SETTINGS = WarmStartSettings(
    imitation=ImitationSettings(steps=4, planner_steps=3, batch_turns=2, games=2, learning_rate=2e-2),
    lora=LoraSettings(rank=4, alpha=8),
    learner=LearnerSettings(dtype="float32", threads=1, pack_tokens=2048),
    planner=PlannerSettings.model_validate(SERVER),
    executor=ModelServerSettings.model_validate(SERVER),
)
PLANNER, EXECUTOR = "imitation, planner", "imitation, executor"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return byte_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "warm-start"


def made(base: ModelFolder, stop_at: str = "", stop: int = signal.SIGINT) -> tuple[WarmStart, list[str]]:
    """A warm start with a checkpoint after every step, and its messages.

    If a message begins with `stop_at`, this process sends itself the signal `stop`.
    """
    messages: list[str] = []

    def report(_: float, message: str) -> None:
        messages.append(message)
        if stop_at and message.startswith(stop_at):
            os.kill(os.getpid(), stop)

    generator = GeneratorSettings(games=6, horizon="short", clutter=0.0)
    benchmark = load(EnvironmentSettings(source="generated", generator=generator))
    return warm_start(SETTINGS, base, benchmark, 0, report, checkpoint_seconds=0.0), messages


def contents(one: WarmStart) -> dict[Role, bytes]:
    return {role: (folder / WEIGHTS_FILE).read_bytes() for role, folder in one.adapters.items()}


@pytest.fixture(scope="module")
def uninterrupted(base: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> WarmStart:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIPER_CACHE", str(tmp_path_factory.mktemp("cache")))
        return made(base)[0]


@pytest.mark.parametrize(
    ("stop_at", "before", "first"),
    [
        (f"{PLANNER}: step 2", 2, f"{PLANNER}: step 3 of 3"),
        (f"{PLANNER}: step 3", 3, f"{EXECUTOR}: step 1 of 4"),
        (f"{EXECUTOR}: step 2", 5, f"{EXECUTOR}: step 3 of 4"),
    ],
)
def test_it_continues_and_the_adapters_are_the_same_to_the_bit(
    base: ModelFolder, cache: Path, uninterrupted: WarmStart, stop_at: str, before: int, first: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(base, stop_at)
    assert [path.suffix for path in sorted(cache.iterdir())] == [".checkpoint", ".lock"]
    resumed, messages = made(base)
    steps = [message for message in messages if message.startswith("imitation")]
    assert len(steps) == 7 - before and steps[0].startswith(first)
    assert all(step.endswith(f"(resumed after {before} of 7 steps)") for step in steps)
    assert contents(resumed) == contents(uninterrupted)
    assert resumed.losses == uninterrupted.losses
    assert sorted(path.suffix for path in cache.iterdir()) == ["", ".lock"]


def test_it_continues_after_its_process_was_killed(base: ModelFolder, uninterrupted: WarmStart) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=made, args=(base, f"{EXECUTOR}: step 3", signal.SIGKILL))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    resumed, messages = made(base)
    assert sum(message.startswith("imitation") for message in messages) == 1
    assert contents(resumed) == contents(uninterrupted)


def test_a_damaged_checkpoint_is_passed_over(
    base: ModelFolder, cache: Path, uninterrupted: WarmStart
) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(base, f"{PLANNER}: step 2")
    (file,) = cache.glob(f"*.checkpoint/{PARAMETERS}")
    file.write_bytes(file.read_bytes()[:-1])
    again, messages = made(base)
    assert sum(message.startswith("imitation") for message in messages) == 7
    assert contents(again) == contents(uninterrupted)


def test_only_what_nobody_continues_is_swept(tmp_path: Path) -> None:
    new, old, busy, finished = (tmp_path / name for name in ("new", "old", "busy", "finished"))
    for folder in (new, old, busy, finished):
        checkpoint_of(folder).mkdir()
        (checkpoint_of(folder) / "state.json").touch()
    finished.mkdir()
    long_ago = time.time() - (KEPT_DAYS + 1) * 24 * 3600
    for folder in (old, busy):
        os.utime(checkpoint_of(folder), (long_ago, long_ago))
    with lock_of(busy):
        sweep_checkpoints(tmp_path)
    assert {path.stem for path in tmp_path.glob("*.checkpoint")} == {"new", "busy"}
    assert finished.is_dir()
