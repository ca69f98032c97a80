"""The real commands as processes, at the smallest size that shows everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from trajectory.episode import Episode

SMALL = (
    "--no-warm-start",
    "--environment.source=generated",
    "--environment.generator.games=6",
    "--environment.generator.horizon=short",
    "--environment.step_limit=2",
    "--planner.max_new_tokens=8",
    "--executor.max_new_tokens=8",
    "--learner.threads=1",
)


def start(module: str, *arguments: str, first_on_path: Path | None = None) -> subprocess.Popen[str]:
    """A command of ours, its output and errors in one pipe of lines.

    It and the servers that it starts look for Python modules in `first_on_path` first.
    """
    path = [str(first_on_path)] if first_on_path else []
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, *filter(None, sys.path)])},
    )


def run(module: str, *arguments: str) -> tuple[int, str]:
    """A command of ours to its end: exit code and output."""
    process = start(module, *arguments)
    output, _ = process.communicate()
    return process.returncode, output


def read_until(process: subprocess.Popen[str], part: str) -> str:
    """Output up to the first line that holds `part`; fails with all of it if the process ends before."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if part in line:
            return "".join(lines)
    raise AssertionError(f"ended without {part!r}:\n{''.join(lines)}")


@dataclass(frozen=True)
class ModelServer:
    """A planner or executor that runs beside the run."""

    process: subprocess.Popen[str]
    address: str

    @classmethod
    def start(cls, role: str, *arguments: str) -> ModelServer:
        process = start(f"{role}.server", "--exit-with-parent", *SMALL, *arguments)
        output = read_until(process, "serving on ")
        return cls(process, output.rpartition("serving on ")[2].strip())

    def stop(self) -> None:
        """Closing its standard input is what the death of its parent looks like."""
        self.process.communicate()


def pids(root: Path) -> dict[str, int]:
    """The processes that the run in this folder started last."""
    return {path.name: json.loads(path.read_text())["pid"] for path in (root / "services").iterdir()}


def gone(pid: int) -> bool:
    """Whether the process has ended; one that init has not collected yet has."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    # The second if it ends between opening and reading.
    except (FileNotFoundError, ProcessLookupError):
        return True


def episodes(root: Path) -> dict[int, Episode]:
    """All episodes that the run holds, by their place."""
    store = EpisodeStore(RunFolder(root).episodes)
    try:
        return {number: store.load([number])[0] for number in sorted(store.numbers())}
    finally:
        store.close()
