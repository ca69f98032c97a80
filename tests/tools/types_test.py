"""Types of the whole checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hiper

PARTS = (
    *(
        "benchmarks",
        "commands",
        "configuration",
        "core",
        "deploy",
        "environments",
        "executor",
        "hae",
        "learner",
        "orchestrator",
        "planner",
        "play",
    ),
    *("run_folder", "serving", "studies", "tests", "tools", "trajectory"),
)


def test_mypy_finds_nothing() -> None:
    checkout = Path("pyproject.toml").resolve().parent
    generated = Path(hiper.__file__).resolve().parents[1]
    kept = Path(os.environ.get("HIPER_CACHE") or os.environ["TEST_TMPDIR"])
    run = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={kept / 'mypy'}", *(f"-p{part}" for part in PARTS)],
        cwd=checkout,
        env={**os.environ, "MYPYPATH": f"{checkout}{os.pathsep}{generated}"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
