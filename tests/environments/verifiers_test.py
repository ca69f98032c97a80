"""Environments of verifiers, which the default set-up does not install, except for what is said then."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark
from environments.contract import check
from environments.errors import BrokenEnvironmentError, MissingDependencyError
from environments.registry import load
from tests.extras import need

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "verifiers_environment"
HANOI = ("[A C]", "[A B]", "[C B]", "[A C]", "[B A]", "[B C]", "[A C]")
"""The shortest solution with three disks."""

SERVED = """
from combination_lock import LockEnv, LockTaskset
__all__ = ["LockTaskset", "ServedEnv"]
class ServedEnv(LockEnv):
    async def start(self):
        print("started")
    async def stop(self):
        print("stopped")
"""
"""An environment with something that all of its episodes share."""

PROGRAM = """
from configuration.environment import EnvironmentSettings
from environments.registry import load
environment = load(EnvironmentSettings(name="verifiers:served")).environment()
print(environment.reset(seed=1)[0])
"""

PLAIN = """
import verifiers.v1 as vf
__all__ = ["Sums"]
class Sum(vf.Task[vf.TaskData]):
    {method}
    @vf.reward
    async def right(self, trace):
        return trace.last_reply == str(self.data.idx + 1)
class Sums(vf.Taskset[Sum]):
    def load(self):
        return [Sum(vf.TaskData(prompt=f"{{number}} + 1?"), self.config.task) for number in range(7)]
"""
"""A taskset without an environment of its own: verifiers asks once, and scores the reply."""


PARTS = """
import verifiers.v1 as vf
__all__ = ["Colours", "Talk"]
OPENING = [{"role": "user", "content": "Red or blue?"}, {"role": "user", "content": "You may ask."}]
LATER = [
    {"role": "system", "content": "Be quick."},
    {"role": "user", "content": [{"type": "text", "text": "Really?"}, {"type": "text", "text": "Again?"}]},
]
class Colours(vf.Taskset[vf.Task]):
    def load(self):
        yield vf.Task(vf.TaskData(system_prompt="Decide."), self.config.task)
class TalkConfig(vf.EnvConfig):
    player: vf.AgentConfig = vf.AgentConfig()
class Talk(vf.Env[TalkConfig]):
    async def run(self, task, agents):
        async with agents.player.interaction(task) as talk:
            for message in (OPENING, LATER, "Too late."):
                segment = await talk.turn(message)
"""
"""An environment that opens the conversation itself, with lists of messages."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder where the command is typed; what is imported from there is forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("HIPER_PATH", str(FOLDER))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(tmp_path), str(FOLDER))):
            del sys.modules[name]


@pytest.fixture
def installed(folder: Path) -> Path:
    need("verifiers", "verifiers")
    return folder


def game(name: str, step_limit: int = 8) -> Benchmark:
    return load(
        EnvironmentSettings(
            name=f"verifiers:{name}", step_limit=step_limit, generator=GeneratorSettings(games=4)
        )
    )


def test_an_environment_keeps_the_contract(installed: Path) -> None:
    assert [result for result in check(game("combination_lock"), 8) if result.problems] == []


def test_an_episode_is_played_to_its_end(installed: Path) -> None:
    benchmark = game("combination_lock#taskset.digits=2")
    assert [len(benchmark.tasks(split)) for split in benchmark.splits] == [4, 1]
    environment, task = benchmark.environment(), benchmark.tasks("train")[3]
    observation, info = environment.reset(options={"task": task.id})
    assert observation == "The lock has 2 digits."
    assert info["goal"] == "Open the lock. Reply with nothing but your guess, for example 123."
    first, second = random.Random(3).choices("0123456789", k=2)
    wrong = str((int(second) + 1) % 10)
    assert environment.step(first + wrong)[:4] == ("1 of 2 digits are right.", 0.0, False, False)
    twin = environment.snapshot()
    *last, info = environment.step(first + second)
    assert (last, info["won"], info["score"]) == (["The episode is over.", 1.0, True, False], True, 1.0)
    assert twin.step("no digits")[:2] == ("0 of 2 digits are right.", 0.0)


def test_a_truncated_episode_has_the_reward_of_what_was_reached(installed: Path) -> None:
    environment = game("combination_lock#taskset.digits=2", step_limit=2).environment()
    environment.reset(options={"task": "train/00000000"})
    guess = random.Random(0).choices("0123456789", k=2)[0]
    environment.step(guess)
    observation, reward, terminated, truncated, info = environment.step(guess)
    assert (observation, reward) == ("1 of 2 digits are right.", pytest.approx(0.05))
    assert (terminated, truncated, info["won"]) == (False, True, False)


def test_verifiers_own_environment_for_textarena_is_played(installed: Path) -> None:
    need("textarena", "textarena")
    benchmark = game("tower_of_hanoi")
    environment = benchmark.environment()
    _, info = environment.reset(options={"task": benchmark.tasks("train")[0].id})
    assert info["goal"] == "[GAME] You are playing Tower of Hanoi with 3 disks."
    *turns, last = [environment.step(move) for move in HANOI]
    assert turns[0][0].startswith("Current Board: \nA: [3, 2]\nB: []\nC: [1]")
    assert not any(turn[2] for turn in turns)
    assert (last[1], last[2], last[4]["won"]) == (1.0, True, True)


def test_a_taskset_alone_asks_once(installed: Path) -> None:
    (installed / "sums.py").write_text(PLAIN.format(method=""))
    benchmark = game("sums")
    assert [task.id for task in benchmark.tasks("valid_unseen")] == ["valid_unseen/00000004"]
    environment = benchmark.environment()
    for reply, reward in (("3", 1.0), ("4", 0.0)):
        assert environment.reset(options={"task": "train/00000002"})[0] == "2 + 1?"
        assert environment.step(reply)[1:3] == (reward, True)


def test_messages_with_several_parts_are_shown_whole(installed: Path) -> None:
    (installed / "parts.py").write_text(PARTS)
    environment = game("parts", step_limit=2).environment()
    observation, info = environment.reset(options={"task": "train/00000000"})
    assert (observation, info["goal"]) == ("Red or blue?\n\nYou may ask.", "Decide.")
    assert environment.step("red")[:3] == ("Be quick.\n\nReally?\nAgain?", 0.0, False)
    assert environment.step("blue")[:4] == ("Too late.", 0.0, False, True)


def test_an_error_is_told_with_task_and_turn(installed: Path) -> None:
    (installed / "sums.py").write_text(
        PLAIN.format(method="async def finalize(self, trace): raise ValueError('the abacus is broken')")
    )
    environment = game("sums").environment()
    environment.reset(options={"task": "train/00000001"})
    with pytest.raises(BrokenEnvironmentError, match="train/00000001, turn 0: raised .*the abacus is broken"):
        environment.step("2")


def test_a_process_may_exit_in_the_middle_of_an_episode(installed: Path) -> None:
    (installed / "served.py").write_text(SERVED)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert ended.stdout.splitlines() == ["started", "The lock has 3 digits.", "stopped"]
    assert not ended.stderr


@pytest.mark.parametrize(
    ("name", "method", "message"),
    [
        ("sums#id=user-sim", "", r"it has 2 agents \(assistant, user\)"),
        ("sums", "NEEDS_CONTAINER = True", "it needs a container"),
        ("sums", "async def setup(self, runtime): pass", r"needs a sandbox \(runtime\) for setup"),
        ("sums", "@vf.metric\n    async def files(self, runtime): return 0.0", "needs a sandbox .* files"),
        (
            "sums",
            "@classmethod\n    def toolsets(cls, config): return [vf.Toolset(vf.ToolsetConfig())]",
            "its agent has tools",
        ),
        (
            "sums",
            "@vf.intercept\n    def edit(self, request: vf.Request): pass",
            r"changes messages .*\(edit\)",
        ),
        ("sums", "@vf.stop\n    def early(self, request: vf.Request): return True", r"requests .*\(early\)"),
        ("sums#taskset.digits=2", "", "verifiers cannot load .*: taskset.digits: Extra inputs"),
        ("sums#digits", "", "'digits' is not KEY=VALUE"),
        ("sums#id=best-of-n#n=2", "", "a second conversation begins"),
    ],
)
def test_what_cannot_be_played_is_said(installed: Path, name: str, method: str, message: str) -> None:
    (installed / "sums.py").write_text(PLAIN.format(method=method))
    with pytest.raises(BrokenEnvironmentError, match=message):
        environment = game(name).environment()
        environment.reset(options={"task": "train/00000000"})
        environment.step("1")


def test_a_missing_module_is_named(installed: Path) -> None:
    with pytest.raises(
        MissingDependencyError, match="cannot be imported: No module named 'nowhere'.*HIPER_PATH"
    ):
        game("nowhere")


def test_how_to_install_the_package_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verifiers", None)  # imports as if it were not installed
    with pytest.raises(MissingDependencyError, match="needs verifiers, which is not.*HIPER_EXTRAS=verifiers"):
        game("combination_lock")


def test_an_older_version_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = ModuleType("verifiers")
    older.__dict__["__version__"] = "0.3.1"
    monkeypatch.setitem(sys.modules, "verifiers", older)
    with pytest.raises(MissingDependencyError, match=r"verifiers 0\.4\.0 or a later .* 0\.3\.1 is installed"):
        game("combination_lock")
