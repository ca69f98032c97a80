"""The table of commands: complete, and the same as the dependencies of `//commands:hiper`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands.table import GROUPS, Command, Elsewhere, commands
from core import shown

CHECKOUT = Path("pyproject.toml").resolve().parent
HERE = [command for command in commands().values() if isinstance(command, Command)]
ELSEWHERE = [command for command in commands().values() if isinstance(command, Elsewhere)]
NOT_LISTED = {"commands/hiper.py"}
"""Files with a main that are not for people: the command itself."""


def sources() -> list[Path]:
    """Our own files: those of folders with a BUILD file, which Bazel's links to its outputs do not have."""
    return [path for build in CHECKOUT.glob("*/BUILD") for path in build.parent.rglob("*.py")]


def mains() -> set[str]:
    """Files with a main, outside tests, tools and documentation."""
    paths = (path for path in sources() if "\nif __name__ ==" in path.read_text())
    files = {path.relative_to(CHECKOUT).as_posix() for path in paths}
    return {file for file in files if not file.startswith(("tests/", "tools/", "docs/"))}


def file_of(command: Command) -> str:
    return command.module.replace(".", "/") + ".py"


def test_every_main_is_in_the_table() -> None:
    missing = mains() - NOT_LISTED - {file_of(command) for command in HERE}
    assert not missing, f"commands/table.py has no line for {sorted(missing)}"
    assert {file_of(command) for command in HERE} <= mains()


def test_the_command_depends_on_every_command() -> None:
    text = (CHECKOUT / "commands/BUILD").read_text(encoding="utf-8")
    kept = set(re.findall(r'"(//[^"]+)",  # keep', text))
    assert kept == {command.label for command in HERE}, "the dependencies marked `# keep` in commands/BUILD"


def test_names_and_labels_occur_once() -> None:
    listed = [command for group in GROUPS for command in group.commands]
    assert len({command.name for command in listed}) == len({command.label for command in listed})
    assert len(listed) == len(commands())


@pytest.mark.parametrize("command", ELSEWHERE, ids=lambda command: command.name)
def test_what_runs_elsewhere_exists(command: Elsewhere) -> None:
    folder, _, name = command.label.removeprefix("//").partition(":")
    assert f'name = "{name}"' in (CHECKOUT / folder / "BUILD").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", HERE, ids=lambda command: command.name)
def test_a_command_says_in_a_line_what_it_does(command: Command) -> None:
    assert 15 < len(command.about) < 100
    assert "bazel run" not in command.about and "python -m" not in command.about
    assert not command.about.endswith((".", ":"))


def test_commands_that_messages_name_are_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {
        label
        for path in sources()
        if not path.is_relative_to(CHECKOUT / "tests")
        for label in re.findall(r"shown\.command\(['\"]([^'\"]+)", path.read_text(encoding="utf-8"))
    }
    assert "//orchestrator:show" in named
    monkeypatch.setenv(shown.INSTALLED, "1")
    for label in {*named, "//planner:server", "//executor:server"}:
        name = shown.command(label).removeprefix("hiper ")
        assert commands()[name].label == label
    monkeypatch.delenv(shown.INSTALLED)
    assert shown.command("//orchestrator:show") == "./bazelw run //orchestrator:show --"


def test_no_message_takes_bazel_for_granted() -> None:
    with_bazel = {
        str(path.relative_to(CHECKOUT))
        for path in sources()
        if "bazelw run" in path.read_text(encoding="utf-8")
        and path.relative_to(CHECKOUT).parts[0] not in ("docs", "tests", "tools")
    }
    assert with_bazel == {"core/shown.py", "commands/hiper.py"}
