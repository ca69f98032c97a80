"""What is kept of the updates: adapters with each checkpoint, the newest whole one restored, ends noted."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.errors import CorruptDataError, HiperError
from core.role import Role
from learner.service.persistence import Persistence
from run_folder.adapter_hashes import STATE_FILE
from run_folder.adapters import of_run
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from tests.learner.service.runs import CountingTrainer
from tests.small_disk import files_of_at_most


def silent(share: float, message: str) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def keep(persistence: Persistence, *versions: int) -> None:
    trainer = CountingTrainer()
    for version in versions:
        trainer.version, trainer.seen = version, list(range(2 * version))
        persistence.keep(trainer, trainer.seen)


def test_the_newest_checkpoints_and_all_adapters_stay(folder: RunFolder) -> None:
    keep(Persistence(folder, keep_checkpoints=2), 0, 1, 2)
    assert folder.checkpoint_versions() == [2, 1]
    assert folder.adapter_versions() == [0, 1, 2]


def test_what_is_not_whole_does_not_push_out_what_is(folder: RunFolder) -> None:
    keep(Persistence(folder), 0, 1, 2)
    (folder.checkpoint(2) / "state").unlink()
    folder.checkpoint(3).mkdir()
    keep(Persistence(folder, keep_checkpoints=1), 2)
    assert folder.checkpoint_versions() == [3, 2]
    assert (folder.checkpoint(2) / "state").read_text() == "0 1 2 3"


def test_a_checkpoint_has_its_adapters(folder: RunFolder) -> None:
    class AdaptersFirst(CountingTrainer):
        def save_adapter(self, role: Role, folder: Path) -> None:
            super().save_adapter(role, folder)
            if role is Role.EXECUTOR:
                raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        Persistence(folder).keep(AdaptersFirst(), ())
    assert folder.checkpoint_versions() == []


def test_the_newest_whole_checkpoint_is_restored(folder: RunFolder) -> None:
    persistence, trainer, told = Persistence(folder), CountingTrainer(), []
    assert not persistence.restore(trainer, silent)
    keep(persistence, 0, 1, 2)
    (folder.checkpoint(2) / "state").unlink()
    assert persistence.restore(trainer, lambda _, message: told.append(message))
    assert (trainer.version, trainer.seen) == (1, [0, 1])
    assert told == ["restoring version 2", "restoring version 1"]


def test_checkpoints_of_which_none_is_whole_are_an_error(folder: RunFolder) -> None:
    folder.checkpoint(0).mkdir(parents=True)
    with pytest.raises(CorruptDataError, match="no checkpoint in .*checkpoints is whole"):
        Persistence(folder).restore(CountingTrainer(), silent)


def test_lines_of_updates_that_will_be_made_again_are_dropped(folder: RunFolder) -> None:
    persistence = Persistence(folder)
    assert persistence.rewind_metrics(0) == {}
    for version in (1, 2):
        persistence.add_metrics({"adapter/version": version})
    assert persistence.rewind_metrics(1) == {"adapter/version": 1}
    assert MetricsFile(folder.metrics).lines() == [{"adapter/version": 1}]


def test_a_run_that_diverged_is_told_the_last_version_before_steps_were_left_out(folder: RunFolder) -> None:
    persistence = Persistence(folder)
    keep(persistence, 0, 1, 2)
    skipped = {1: 0.0, 2: 1.0}
    for version, steps in skipped.items():
        persistence.add_metrics({"adapter/version": version, "critic/skipped_steps": steps})
    assert persistence.advice(2) == (
        f"Version 2 is the last whole one: {folder.checkpoint(2)}. Steps were left out since version 1; "
        f"without the checkpoints after {folder.checkpoint(1)}, --resume continues from there"
    )
    assert persistence.advice(0) == f"Version 0 is the last whole one: {folder.checkpoint(0)}"


def test_an_end_is_noted_and_a_full_disk_does_not_hide_why_the_run_ends(
    folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    persistence = Persistence(folder)
    persistence.note_end(2, {"timing_s/step": 1.5})
    assert MetricsFile(folder.ends).lines() == [{"adapter/version": 2, "timing_s/step": 1.5}]
    with files_of_at_most(10), caplog.at_level(logging.WARNING):
        persistence.note_end(3, {"timing_s/step": 2.5})
    assert "the times of the end are not kept" in caplog.text
    assert MetricsFile(folder.ends).lines() == [{"adapter/version": 2, "timing_s/step": 1.5}]


def test_an_end_after_one_that_was_cut_off_is_read_and_no_room_for_it_leaves_no_zeros(
    folder: RunFolder,
) -> None:
    persistence = Persistence(folder)
    folder.ends.write_text('{"adapter/version": 1}\n{"adapter/ver')
    with files_of_at_most(24):
        persistence.note_end(2, {"timing_s/step": 1.5})
    assert folder.ends.read_text() == '{"adapter/version": 1}\n'
    folder.ends.write_text('{"adapter/version": 1}\n{"adapter/ver')
    persistence.note_end(2, {"timing_s/step": 1.5})
    assert [line["adapter/version"] for line in MetricsFile(folder.ends).lines()] == [1, 2]


@pytest.mark.parametrize("fault", ["flipped", "cut", "removed"])
@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_damaged_adapter_is_refused_by_name_and_written_again_from_its_checkpoint(
    folder: RunFolder, name: str, fault: str
) -> None:
    keep(Persistence(folder), 0, 1)
    hurt = folder.adapter(Role.EXECUTOR, 1) / name
    whole = hurt.read_bytes()
    if fault == "removed":
        hurt.unlink()
    else:
        hurt.write_bytes(bytes([whole[0] ^ 1]) + whole[1:] if fault == "flipped" else whole[:-1])
    with pytest.raises(HiperError, match=str(hurt.parent)):
        of_run(folder, None)
    assert of_run(folder, 0).version == 0
    Persistence(folder).restore(CountingTrainer(), silent)
    assert hurt.read_bytes() == whole
    assert of_run(folder, None).version == 1


def test_checkpoints_of_earlier_versions_have_no_hashes_of_adapters(folder: RunFolder) -> None:
    keep(Persistence(folder), 0)
    (folder.checkpoint(0) / STATE_FILE).write_text("{}")
    (folder.adapter(Role.PLANNER, 0) / WEIGHTS_FILE).write_text("other")
    assert Persistence(folder).restore(CountingTrainer(), silent)
    assert of_run(folder, None).version == 0
