"""Each start of a run's learner has an epoch of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import CorruptDataError, ExhaustedError
from run_folder.epoch import count_epoch
from run_folder.folder import RunFolder
from tests.small_disk import files_of_at_most


def test_each_start_counts_one_epoch_on(tmp_path: Path) -> None:
    assert [count_epoch(RunFolder(tmp_path)) for _ in range(12)] == list(range(12))


def test_a_run_that_began_before_epochs_were_counted_has_published_in_epoch_0(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoint(3).mkdir(parents=True)
    assert count_epoch(folder) == 1


def test_an_epoch_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    count_epoch(folder)
    with files_of_at_most(0), pytest.raises(ExhaustedError, match="cannot be written"):
        count_epoch(folder)
    assert count_epoch(folder) == 1


def test_a_file_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.epoch.write_text("-1\n")
    with pytest.raises(CorruptDataError, match="holds '-1', not the number of an epoch"):
        count_epoch(folder)
