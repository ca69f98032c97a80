"""Completion: bash runs its script; all scripts have every command and key."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from commands.completion import SHELLS, script
from commands.table import commands
from configuration.keys import keys
from configuration.tree import Configuration

BASH = shutil.which("bash")


def completed(typed: str, folder: Path) -> list[str]:
    """What bash offers for the last word of a line."""
    assert BASH is not None
    (folder / "completion.bash").write_text(script(["bash"]), encoding="utf-8")
    words = typed.split(" ")
    listed = " ".join(f"'{word}'" for word in words)
    program = (
        f"source completion.bash; COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _hiper; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(
        [BASH, "--norc", "-uc", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("hiper rol", ["rollout"]),
        ("hiper benchmark-p", ["benchmark-push", "benchmark-pools"]),
        ("hiper --", ["--help", "--completion"]),
        ("hiper --completion f", ["fish"]),
        ("hiper rollout --ppo.c", ["--ppo.clip"]),
        ("hiper train --no-h", ["--no-hierarchy"]),
        ("hiper play --generator.g", ["--generator.games"]),
        ("hiper play --ppo.c", []),
        ("hiper replay --planner.max_n", ["--planner.max_new_tokens"]),
        ("hiper replay --ppo", []),
        ("hiper show --", ["--help"]),
        ("hiper nothing --", []),
        ("hiper rollout presets/", []),
    ],
)
def test_bash_offers_commands_and_then_keys(typed: str, offered: list[str], tmp_path: Path) -> None:
    assert completed(typed, tmp_path) == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_every_key_is_in_each_script(shell: str) -> None:
    text = script([shell])
    for name in (*commands(), *(key.name for key in keys(Configuration))):
        assert name in text


@pytest.mark.parametrize("shell", SHELLS)
def test_quotes_are_closed_on_their_line(shell: str) -> None:
    assert [line for line in script([shell]).splitlines() if line.count("'") % 2] == []
