"""Every command answers `--help`, with the keys that the table says it accepts."""

from __future__ import annotations

import sys

import pytest

from commands.hiper import main
from commands.table import Command, Options, commands

HERE = [command for command in commands().values() if isinstance(command, Command)]


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
    assert ("--learner.updates" in text) == (command.options is Options.RUN)
    assert ("--environment.name" in text) == (command.options is not Options.OWN)
