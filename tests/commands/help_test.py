"""Every command answers `--help`, with the keys that the table says it accepts."""

from __future__ import annotations

import sys

import pytest

from commands.hiper import main
from commands.table import Command, Options, commands

HERE = [command for command in commands().values() if isinstance(command, Command)]

A_KEY = {"environment": "environment.name", "planner": "planner.model", "learner": "learner.updates"}
SECTIONS = {
    Options.RUN: {"environment", "planner", "learner"},
    Options.PLAYER: {"environment", "planner"},
    Options.ENVIRONMENT: {"environment"},
    Options.OWN: set(),
}


@pytest.mark.parametrize("command", HERE, ids=lambda command: command.name)
def test_a_command_answers_help(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hiper", command.name, "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: ")
    accepted = {section for section, key in A_KEY.items() if f"--{key}" in text}
    assert accepted == SECTIONS[command.options]
