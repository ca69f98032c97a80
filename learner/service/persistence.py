"""Keeps a run's updates on disk: adapters, checkpoints, metrics, and the ends of the learner's processes."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence

from core.errors import CorruptDataError, ExhaustedError
from core.files import room_for
from core.progress import Progress
from learner.service.run_parts import Trainer
from run_folder.adapter_hashes import check_recorded, damaged
from run_folder.folder import RunFolder
from run_folder.metric_names import ADAPTER_VERSION, SKIPPED_STEPS, of_all_parts
from run_folder.metrics import Metrics, MetricsFile, MetricsSink

log = logging.getLogger(__name__)


class Persistence:
    """Writes and reads the learner's part of a run's folder. Called from one thread at a time."""

    def __init__(
        self, folder: RunFolder, keep_checkpoints: int = 3, sinks: Sequence[MetricsSink] = ()
    ) -> None:
        """The newest `keep_checkpoints` checkpoints are kept; `sinks` also get every line of metrics."""
        self._folder = folder
        self._keep_checkpoints = keep_checkpoints
        self._metrics = MetricsFile(folder.metrics, sinks)

    def restore(self, trainer: Trainer, progress: Progress) -> bool:
        """Loads the newest complete checkpoint; returns False if the run has no checkpoint yet.

        Adapters of its version that are missing, or not what it recorded, are written again from it.

        Raises:
            CorruptDataError: there are some, but none is whole; or an adapter that was written again is still
                not what the checkpoint recorded.
        """
        found = self._folder.checkpoint_versions()
        for version in found:
            progress(0.0, f"restoring version {version}")
            try:
                trainer.load_checkpoint(self._folder.checkpoint(version))
            except CorruptDataError as error:
                log.warning("checkpoint %d is left out: %s", version, error)
            else:
                self._mend_adapters(trainer)
                return True
        if found:
            raise CorruptDataError(f"no checkpoint in {self._folder.checkpoints} is whole")
        return False

    def _mend_adapters(self, trainer: Trainer) -> None:
        for role in damaged(self._folder, trainer.version):
            folder = self._folder.adapter(role, trainer.version)
            log.warning("%s is missing or damaged, and is written again from the checkpoint", folder)
            trainer.save_adapter(role, folder)
        check_recorded(self._folder, trainer.version)

    def keep(self, trainer: Trainer, consumed: Sequence[int]) -> None:
        """Writes the adapters, then the checkpoint, so that it never lacks them; removes old checkpoints.

        Args:
            trainer: Trainer, between two updates.
            consumed: Numbers of the episodes that it has trained on.
        """
        for role, folder in self._folder.pair(trainer.version).items():
            trainer.save_adapter(role, folder)
        hashes = {role.value: sha256 for role, sha256 in self._folder.pair(trainer.version).hashes().items()}
        trainer.save_checkpoint(self._folder.checkpoint(trainer.version), consumed, hashes)
        self._drop_checkpoints(trainer.version)

    def rewind_metrics(self, version: int) -> Metrics:
        """Removes the lines of updates after `version`, to be made again; returns the last line, or {}."""
        with room_for(self._folder.metrics):
            self._metrics.rewind(version)
        lines = self._metrics.lines()
        return lines[-1] if lines else {}

    def add_metrics(self, line: Metrics) -> None:
        """Appends the line of an update; raises `ExhaustedError` if the disk is full."""
        self._metrics.append(line)

    def note_end(self, version: int, times: Mapping[str, float]) -> None:
        """Writes the seconds since the last line of metrics, when the process ends with this version."""
        try:
            MetricsFile(self._folder.ends).append({ADAPTER_VERSION: version, **times})
        except (ExhaustedError, OSError) as error:  # Probably the reason why the run ends.
            log.warning("the times of the end are not kept: %s", error)

    def advice(self, version: int) -> str:
        """Says from where a run can be resumed after its update of `version` has diverged."""
        good = self._last_without_skips(version)
        text = f"Version {version} is the last whole one: {self._folder.checkpoint(version)}"
        if good < version and self._folder.checkpoint(good).is_dir():
            text += (
                f". Steps were left out since version {good}; without the checkpoints after "
                f"{self._folder.checkpoint(good)}, --resume continues from there"
            )
        return text

    def _last_without_skips(self, version: int) -> int:
        """The last version, up to this one, that was made without skipped steps."""
        skipped = of_all_parts(SKIPPED_STEPS)
        for line in reversed(self._metrics.lines()):
            if not any(line.get(name) for name in skipped):
                break
            version = int(line[ADAPTER_VERSION]) - 1
        return version

    def _drop_checkpoints(self, version: int) -> None:
        """Removes old checkpoints; those newer than `version` are incomplete, and are not counted."""
        kept = [found for found in self._folder.checkpoint_versions() if found <= version]
        for old in kept[self._keep_checkpoints :]:
            shutil.rmtree(self._folder.checkpoint(old), ignore_errors=True)
