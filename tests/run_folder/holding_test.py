"""A learner's hold of its run's folder: one at a time, and nothing unfinished stays."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.exit_codes import REFUSED, of_error
from run_folder.folder import RunFolder
from run_folder.holding import hold_as_learner
from run_folder.lock import Lock


def test_a_second_learner_is_refused_by_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    held = hold_as_learner(folder, 0.0)
    with pytest.raises(
        ConfigurationError, match=rf"process {os.getpid()} trains in {folder.root} now"
    ) as refused:
        hold_as_learner(folder, 0.15)
    assert of_error(refused.value) == REFUSED
    Lock(folder.lock, "plays").release()
    held.release()
    hold_as_learner(folder, 0.0).release()


def test_a_learner_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    held = hold_as_learner(folder, 0.0)
    end = threading.Timer(0.05, held.release)
    end.start()
    hold_as_learner(folder, 60.0).release()
    end.join()


def test_what_killed_learners_left_goes_and_what_others_write_stays(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    whole = [folder.checkpoint(7), folder.pair(7).planner, folder.pair(7).executor]
    for each in whole:
        each.mkdir(parents=True)
        each.with_name(f".{each.name}.abcd_123").mkdir()
    others = [tmp_path / f".{each.name}.new" for each in (folder.report, folder.configuration)]
    left = [tmp_path / ".metrics.jsonl.new", tmp_path / ".episodes.sqlite.0123456_"]
    for file in (*others, *left):
        file.touch()
    hold_as_learner(folder, 0.0).release()
    kept = {path for path in tmp_path.rglob("*") if path.name.startswith(".")}
    assert kept == set(others)
    assert all(each.is_dir() for each in whole)
