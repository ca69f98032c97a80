"""Locks a run's folder for the learner of this process, and removes what killed learners left in it."""

from __future__ import annotations

import logging

from core.files import sweep_unfinished
from core.role import Role
from run_folder.folder import RunFolder
from run_folder.lock import Lock

log = logging.getLogger(__name__)


def hold_as_learner(folder: RunFolder, seconds: float) -> Lock:
    """Locks the folder for the learner that trains in it, and removes unfinished files of killed learners.

    Args:
        folder: Folder of the run; it is created if necessary.
        seconds: Time to wait for another learner, which may be about to end because its run was killed.

    Returns:
        The lock. Hold it until the process ends, because its threads may write until then.

    Raises:
        ConfigurationError: another learner trains there; the message names its process.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder.learner_lock, "trains", seconds)
    # In the folder itself, other commands may be writing now, so only files that learners write are removed.
    left = sweep_unfinished(folder.root, of=(folder.episodes.name, folder.metrics.name, folder.ends.name))
    for place in (folder.checkpoints, *(folder.adapters / role.value for role in Role)):
        left += sweep_unfinished(place)
    if left:
        log.info("removed what was left unfinished: %s", ", ".join(left))
    return lock
