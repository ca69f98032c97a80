"""Style of the whole checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruff.__main__ import find_ruff_bin


@pytest.mark.parametrize("command", [["check", "--no-cache"], ["format", "--no-cache", "--check"]])
def test_ruff_finds_nothing(command: list[str]) -> None:
    checkout = Path("pyproject.toml").resolve().parent
    run = subprocess.run([find_ruff_bin(), *command], cwd=checkout, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
