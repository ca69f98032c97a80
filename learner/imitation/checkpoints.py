"""Checkpoints of a warm start: if the command that makes it is killed, the next one continues from there."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from core.errors import CorruptDataError, NotFoundError, PreconditionError
from core.role import Role
from learner.update.checkpoint import (
    Checkpoint,
    CheckpointState,
    joined,
    of_group,
    read_checkpoint,
    write_checkpoint,
)
from learner.update.optimizer import AdapterOptimizer
from learner.update.policy import AdaptedModel

SECONDS = 120.0
"""Time between two checkpoints: what a killed command loses at most."""
KEPT_DAYS = 14
"""Age in days from which checkpoints of other settings are removed."""
_SUFFIX, _LOCK_SUFFIX = ".checkpoint", ".lock"
_LOSSES = "losses"

_log = logging.getLogger(__name__)


class TeachingCheckpoints:
    """The checkpoint beside the folder of a warm start; each one replaces the one before.

    A checkpoint holds both adapters, the moments of the optimizer at work, and the losses. There is no random
    state: the order of the lessons is drawn from the seed, all at once, before the first step.
    """

    def __init__(self, folder: Path, seed: int, seconds: float = SECONDS) -> None:
        """`folder` gets the finished adapters; its name is a hash of all that they depend on."""
        self._folder, self._seed, self._seconds = checkpoint_of(folder), seed, seconds
        self._made_for = {"warm start": folder.name}
        self._written = time.monotonic()
        self._found: Checkpoint | None = None

    def restore(self, model: AdaptedModel) -> dict[Role, list[float]]:
        """Loads the adapters of the last checkpoint, if there is one, and returns the losses of its steps.

        A checkpoint that cannot be read is passed over, and teaching starts anew.
        """
        self._found = self._read()
        if self._found is None:
            return {role: [] for role in Role}
        parameters = self._found.parameters
        with torch.no_grad():
            for role in Role:
                saved = of_group(parameters, role.value)
                for name, parameter in model.parameters_of(role.value).items():
                    parameter.copy_(saved[name])
        losses = of_group(parameters, _LOSSES)
        return {role: losses[role.value].tolist() for role in Role}

    def restore_optimizer(self, role: Role, optimizer: AdapterOptimizer) -> None:
        """Loads the moments of this role's optimizer, if it was at work when the checkpoint was written."""
        if self._found and (state := of_group(self._found.moments, role.value)):
            optimizer.load_state(state)

    def write_if_due(
        self,
        model: AdaptedModel,
        role: Role,
        optimizer: AdapterOptimizer,
        losses: Mapping[Role, Sequence[float]],
    ) -> None:
        """Writes a checkpoint if the last one is older than the given time.

        Raises:
            ExhaustedError: there is no room for it; the one before is still there.
        """
        if time.monotonic() - self._written < self._seconds:
            return
        adapters = {each.value: model.parameters_of(each.value) for each in Role}
        lost = {each.value: torch.tensor(losses[each], dtype=torch.float64) for each in Role}
        state = CheckpointState(sum(map(len, losses.values())), self._seed, (), self._made_for)
        write_checkpoint(
            Checkpoint(state, joined({**adapters, _LOSSES: lost}), joined({role.value: optimizer.state()})),
            self._folder,
        )
        self._written = time.monotonic()

    def _read(self) -> Checkpoint | None:
        try:
            return read_checkpoint(self._folder, self._made_for)
        except NotFoundError:
            return None
        except (CorruptDataError, PreconditionError) as error:
            _log.warning("the warm start begins anew: %s", error)
            return None


def checkpoint_of(folder: Path) -> Path:
    """The folder of the checkpoint for a warm start that will be in `folder`."""
    return folder.with_suffix(_SUFFIX)


def lock_of(folder: Path) -> FileLock:
    """The lock that a process holds while it makes the warm start in `folder`."""
    return FileLock(folder.with_suffix(_LOCK_SUFFIX))


def sweep_checkpoints(cache: Path) -> None:
    """Removes the checkpoints in `cache` that nobody will continue.

    These are the ones whose adapters are finished, and those older than `KEPT_DAYS`; but none of a warm start
    that a process is making, this one included.
    """
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for checkpoint in sorted(cache.glob(f"*{_SUFFIX}")):
        folder = checkpoint.with_suffix("")
        try:
            with lock_of(folder).acquire(timeout=0):
                if folder.is_dir() or checkpoint.stat().st_mtime < oldest:
                    shutil.rmtree(checkpoint)
        except (Timeout, FileNotFoundError):
            continue
