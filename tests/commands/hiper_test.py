"""The command `hiper`: help, passing on, and refusals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from commands import hiper
from commands.table import GROUPS, commands
from core import shown
from core.errors import ConfigurationError

RUN = f"import sys; sys.path[:0] = {sys.path!r}; "


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "commands.hiper", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_help_lists_every_command_by_purpose() -> None:
    text = hiper.help_text()
    for group in GROUPS:
        assert f"\n{group.title}:\n" in text
    for name, command in commands().items():
        assert re.search(rf"^  {name} +{re.escape(command.about)}", text, re.MULTILINE)


def test_the_help_imports_no_package() -> None:
    """Neither PyTorch nor even pydantic: the help is there at once."""
    program = (
        "from commands.hiper import main\n"
        "sys.argv = ['hiper', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'torch', 'grpc', 'numpy', 'pydantic'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", RUN + program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: hiper COMMAND")


def test_a_command_is_passed_on_with_its_arguments_and_its_exit_code() -> None:
    ended = run("show", "/nowhere", "0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no episodes at /nowhere")
    helped = run("doctor", "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith("usage: doctor")


def test_a_command_runs_in_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hiper", "doctor", "--help"])
    with pytest.raises(SystemExit) as end:
        hiper.main()
    assert end.value.code == 0
    assert "usage: doctor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rolout"], r"unknown command 'rolout'. Did you mean rollout\? `hiper --help` lists all"),
        (["xyzzy"], "unknown command 'xyzzy'. `hiper --help`"),
        (["--completion"], "--completion takes one shell: bash, zsh, fish"),
        (["--completion", "csh"], "--completion csh: there is no script for it; accepted: bash, zsh, fish"),
        (
            ["drills", "--only", "a b"],
            "a checkout of the repository: ./bazelw run //tests/drills:all -- --only 'a b'",
        ),
    ],
)
def test_what_cannot_be_run_is_named_with_what_is_accepted(arguments: Sequence[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        hiper.hiper(arguments)


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Python itself does for a package that is not installed.
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    monkeypatch.setattr(sys, "argv", ["hiper"])
    with pytest.raises(ModuleNotFoundError):
        hiper.hiper(["planner", "--dry-run"])
    monkeypatch.setenv(shown.INSTALLED, "1")
    with pytest.raises(
        ConfigurationError, match=r"`hiper planner` needs the package .*pip install '.\[run\]'"
    ):
        hiper.hiper(["planner", "--dry-run"])


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--help")])
def test_a_reader_that_has_read_enough_ends_the_command_without_a_message(arguments: Sequence[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "commands.hiper", *arguments]
    ended = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    os.close(writing)
    assert ended.stderr == ""
    assert ended.returncode in (-signal.SIGPIPE, 128 + signal.SIGPIPE)
