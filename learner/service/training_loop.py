"""The learner's loop: restore or warm start, then repeatedly gather a batch, update, keep, publish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import DivergedError, HiperError
from core.progress import Progress
from learner.service.admission import Admission
from learner.service.batch import BatchReader
from learner.service.episode_metrics import episode_metrics
from learner.service.gate import Schedule
from learner.service.persistence import Persistence
from learner.service.publication import Publication
from learner.service.run_parts import Trainer, Update
from learner.service.status import StatusBoard
from learner.service.stopwatch import Stopwatch
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.adapters.pair import AdapterPair
from trajectory.episode import Episode
from trajectory.learner_status import Phase

log = logging.getLogger(__name__)

_PARTS = {
    Phase.STARTING: names.TIME_START,
    Phase.GATHERING: names.TIME_GATHER,
    Phase.UPDATING: names.TIME_UPDATE,
    Phase.PUBLISHING: names.TIME_PUSH,
}
"""Part that the last seconds of a process are assigned to, by the phase in which it ends."""


@dataclass(frozen=True)
class TrainingLoop:
    """Makes the updates of a run, one after the other. Await `run` once."""

    schedule: Schedule
    folder: RunFolder
    store: EpisodeStore
    batches: BatchReader
    make_trainer: Callable[[], Trainer]
    warm_start: Callable[[Progress], AdapterPair | None]
    """Function that returns the adapters to start a new run from; None for adapters that change nothing."""
    admission: Admission
    persistence: Persistence
    publication: Publication
    status: StatusBoard
    stopwatch: Stopwatch

    async def run(self) -> HiperError | None:
        """Starts, then gathers and updates until all updates are made.

        Returns:
            The error that ended it, with the phase FAILED; None if all updates were made, or it was stopped.
        """
        failure: HiperError | None = None
        try:
            version = await self._all_updates()
            end = Phase.FINISHED, f"{version} of {self.schedule.updates} updates made", 1.0
        except Exception as error:  # the phase tells the orchestrator, whatever it was
            if isinstance(error, HiperError):
                failure = error
            else:
                log.exception("the learner has failed")
                failure = HiperError(f"{type(error).__name__}: {error}")
            end = Phase.FAILED, str(failure), self.status.now.progress
        last = self.status.now
        self.stopwatch.lap(_PARTS[last.phase])
        await asyncio.to_thread(self.persistence.note_end, last.version, self.stopwatch.take())
        self.status.show(*end)
        return failure

    async def _all_updates(self) -> int:
        """Makes all updates; returns the last version."""
        trainer = await asyncio.to_thread(self._start)
        await self._publish(trainer.version)
        while trainer.version < self.schedule.updates and await self._whole_batch():
            self.status.show(Phase.UPDATING, f"update {trainer.version + 1}")
            await self.publication.make_room()
            metrics = await asyncio.to_thread(self._update, trainer)
            await self._publish(trainer.version)
            self.status.updated(metrics)
        return trainer.version

    def _start(self) -> Trainer:
        trainer = self.make_trainer()
        if not self.persistence.restore(trainer, self.status.report):
            if first := self.warm_start(self.status.report):
                trainer.load_adapters(first)
            self.stopwatch.lap(names.TIME_START)
            self._keep(trainer, consumed=())
        trainer.load_reference(self.folder.pair(0))
        for version in range(max(0, trainer.version - trainer.memory), trainer.version):
            self.status.report(0.0, f"the critic reads the batch of version {version} again")
            batch = self.batches.read(self.schedule.batch(version), version)
            trainer.remember(version, batch.episodes)
        self.status.updated(self.persistence.rewind_metrics(trainer.version))
        self._set_aside(self.batches.given_up(trainer.version, self.schedule.batch(trainer.version).start))
        self.stopwatch.lap(names.TIME_START)
        return trainer

    async def _whole_batch(self) -> bool:
        """Waits for the episodes of the next update; returns False if the run is to stop."""
        self.status.show(Phase.GATHERING, f"gathering for update {self.status.now.version + 1}")
        whole = await self.publication.while_served(self.admission.whole_batch())
        self.stopwatch.lap(names.TIME_GATHER)
        return whole

    def _update(self, trainer: Trainer) -> dict[str, float]:
        """Makes the next version from its batch, and keeps it; returns its line of metrics.

        A version is made even if no episode of the batch can be trained on, so that the numbers of versions
        and batches stay in step: it equals the one before.
        """
        numbers = self.schedule.batch(trainer.version)
        batch = self.batches.read(numbers, trainer.version)
        self._set_aside(batch.set_aside)
        metrics = {names.SET_ASIDE: float(len(batch.set_aside)), names.EPISODE_COUNT: 0.0}
        update = Update({}, ())
        if batch.episodes:
            metrics |= episode_metrics(batch.episodes, trainer.version)
            update = self._trained(trainer, batch.episodes)
        else:
            log.warning("update %d is skipped: none of its episodes can be used", trainer.version + 1)
            trainer.skip_update()
        for episode, advantages in zip(batch.episodes, update.advantages, strict=True):
            self.store.set_advantages(episode.number, advantages)
        self.stopwatch.lap(names.TIME_UPDATE)
        metrics |= {names.ADAPTER_VERSION: trainer.version, **update.metrics, **self.stopwatch.take()}
        # The line is written first: after a crash in between, it is removed, and the update is made again.
        self.persistence.add_metrics(metrics)
        left_out = self.store.those_set_aside()
        self._keep(trainer, consumed=[number for number in range(numbers.stop) if number not in left_out])
        return metrics

    def _set_aside(self, reasons: Mapping[int, str]) -> None:
        """Notes, logs and counts episodes that cannot be trained on."""
        self.store.set_aside(reasons)
        for number, reason in reasons.items():
            log.warning("episode %d is set aside, the others are trained on: %s", number, reason)
        self.status.set_aside(self.store.those_set_aside())

    def _trained(self, trainer: Trainer, episodes: Sequence[Episode]) -> Update:
        before = trainer.version
        try:
            return trainer.update(episodes, self.status.report)
        except DivergedError as error:
            raise DivergedError(f"{error}. {self.persistence.advice(before)}") from error

    def _keep(self, trainer: Trainer, consumed: Sequence[int]) -> None:
        self.persistence.keep(trainer, consumed)
        self.stopwatch.lap(names.TIME_CHECKPOINT)

    async def _publish(self, version: int) -> None:
        await self.publication.publish(version)
        self.admission.advance(version)
        self.stopwatch.lap(names.TIME_PUSH)
