"""What killed processes leave is removed, what living ones use is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.temporary_folder import TemporaryFolder

PREFIX = "hiper-test-"
CHILD = f"""
import sys
from core.temporary_folder import TemporaryFolder
folder = TemporaryFolder({PREFIX!r})
(folder.path / "weights").write_bytes(b"x")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def started() -> tuple[subprocess.Popen[str], Path]:
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_process_goes_when_the_next_one_starts() -> None:
    process, left = started()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert left.is_dir()
    folder = TemporaryFolder(PREFIX)
    assert not left.exists() and folder.path.is_dir()
    folder.close()
    assert not folder.path.exists()


def test_folders_in_use_and_those_of_another_kind_stay(temporary_files: Path) -> None:
    (temporary_files / "hiper-other-1").mkdir()
    (temporary_files / f"{PREFIX}file").write_text("not a folder")
    process, used = started()
    own = TemporaryFolder(PREFIX)
    TemporaryFolder(PREFIX).close()
    assert used.is_dir() and own.path.is_dir()
    process.communicate("")
    own.close()
    TemporaryFolder(PREFIX).close()
    assert not used.exists()
    assert {path.name for path in temporary_files.iterdir()} == {"hiper-other-1", f"{PREFIX}file"}
