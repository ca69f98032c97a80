"""Counts how often the learner of a run was started, so that what one of them made is told from another's."""

from __future__ import annotations

from core.errors import CorruptDataError
from core.files import replace_file
from run_folder.folder import RunFolder


def count_epoch(folder: RunFolder) -> int:
    """The epoch of a learner that starts now; no other start of the run's learner has the same.

    A learner that goes back to an older checkpoint makes versions again that servers know already with other
    weights. Their epoch tells them apart. The first learner of a run has epoch 0.

    Raises:
        CorruptDataError: the file is there and is not a number.
        ExhaustedError: the disk is full; nothing was counted.
    """
    epoch = _last(folder) + 1
    # On disk before anything is published in this epoch.
    replace_file(folder.epoch, f"{epoch}\n")
    return epoch


def _last(folder: RunFolder) -> int:
    if not folder.epoch.exists():
        # A run that began before epochs were counted has published in epoch 0.
        return 0 if folder.checkpoint_versions() else -1
    text = folder.epoch.read_text(encoding="utf-8", errors="replace").strip()
    if not text.isdecimal():
        raise CorruptDataError(f"{folder.epoch} holds {text[:40]!r}, not the number of an epoch")
    return int(text)
