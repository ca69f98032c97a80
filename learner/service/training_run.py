"""One run of the learner: gathers episodes under leases, updates, keeps what it made, publishes it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from hiper.v1 import episode_pb2 as pb

from core.errors import (
    CorruptDataError,
    DivergedError,
    ExhaustedError,
    HiperError,
    InvalidInputError,
    PreconditionError,
    UnavailableError,
)
from core.files import appended_whole, room_for
from core.progress import Progress
from core.role import Role
from learner.service.episode_metrics import episode_metrics
from learner.service.gate import RETRY_SECONDS, LeaseGate, Schedule
from learner.service.run_parts import FirstAdapters, Publisher, Trainer, Update
from learner.service.status import Phase, Status
from learner.service.stopwatch import Stopwatch
from run_folder.files import MetricsFile, MetricsSink, RunFiles
from run_folder.store import EpisodeStore
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, Wait
from trajectory.validation import EpisodeError, check

log = logging.getLogger(__name__)


_PARTS = {
    Phase.STARTING: "start",
    Phase.GATHERING: "gather",
    Phase.UPDATING: "update",
    Phase.PUBLISHING: "push",
}
"""Of the stopwatch: what the time goes to when a process ends in one of these phases."""


class TrainingRun:
    """The life of a run. Its methods are called from one event loop; `train` is awaited once."""

    def __init__(
        self,
        files: RunFiles,
        schedule: Schedule,
        store: EpisodeStore,
        make_trainer: Callable[[], Trainer],
        warm_start: Callable[[Progress], FirstAdapters | None],
        publisher: Publisher,
        clock: Callable[[], float] = time.monotonic,
        keep_checkpoints: int = 3,
        vocabulary: int = 2**32,
        sinks: Sequence[MetricsSink] = (),
    ) -> None:
        self._files = files
        self._schedule = schedule
        self._store = store
        self._make_trainer = make_trainer
        self._warm_start = warm_start
        self._publisher = publisher
        self._clock = clock
        self._keep_checkpoints = keep_checkpoints
        self._vocabulary = vocabulary
        self._stopwatch = Stopwatch(clock)
        self._metrics_file = MetricsFile(files.metrics, sinks)
        self._gate = LeaseGate(store.run_id, schedule, store.numbers(), 0)
        self._stored = asyncio.Event()
        self._stopping = False
        self._status = Status(Phase.STARTING, "loading the model", 0.0, -1, {})

    @property
    def run_id(self) -> str:
        return self._store.run_id

    @property
    def schedule(self) -> Schedule:
        return self._schedule

    @property
    def status(self) -> Status:
        return self._status

    @property
    def episodes_stored(self) -> int:
        return self._gate.stored

    @property
    def open_leases(self) -> int:
        return self._gate.open_leases

    def lease(self, run_id: str) -> Lease | Wait | Finished:
        """The next episode to play, or why there is none now.

        Raises:
            PreconditionError: the caller takes part in another run.
            UnavailableError: the learner has failed.
        """
        if run_id and run_id != self.run_id:
            raise PreconditionError(f"this learner has run {self.run_id}, not {run_id}")
        if self._status.phase is Phase.FAILED:
            raise UnavailableError(f"the learner has failed: {self._status.message}")
        if self._stopping or self._status.phase is Phase.FINISHED:
            return Finished()
        if self._status.phase is Phase.STARTING or self._status.version < 0:
            return Wait(f"the learner is starting: {self._status.message}", RETRY_SECONDS)
        return self._gate.grant(self._clock())

    async def submit(self, episode: pb.Episode) -> bool:
        """Stores an episode; when this returns it is on disk. False if its place was taken already.

        Raises:
            InvalidInputError: names the turn and field that are wrong; nothing is stored.
            PreconditionError: an episode of another run.
            ExhaustedError: the disk is full; nothing is stored.
        """
        try:
            check(episode, self._vocabulary)
        except EpisodeError as error:
            raise InvalidInputError(f"episode {episode.number}: {error}") from error
        if episode.key.run_id != self.run_id:
            raise PreconditionError(f"this learner has run {self.run_id}, not {episode.key.run_id}")
        if episode.number >= self._schedule.episodes:
            raise InvalidInputError(
                f"episode {episode.number}: number: the run has {self._schedule.episodes} episodes, from 0"
            )
        new = await asyncio.to_thread(self._store.add, episode)
        self._gate.complete(episode.number)
        self._stored.set()
        return new

    def stop(self) -> None:
        """Ends the run after the update in flight."""
        self._stopping = True
        self._stored.set()

    async def train(self) -> None:
        """Starts, then gathers and updates until all updates are made. Failures end in phase FAILED."""
        try:
            version = await self._all_updates()
            end = Phase.FINISHED, f"{version} of {self._schedule.updates} updates made", 1.0
        except HiperError as error:
            end = Phase.FAILED, str(error), self._status.progress
        except Exception as error:  # the phase tells the orchestrator, whatever it was
            log.exception("the learner has failed")
            end = Phase.FAILED, f"{type(error).__name__}: {error}", self._status.progress
        await asyncio.to_thread(self._note_end)
        self._show(*end)

    async def _all_updates(self) -> int:
        """The version that the last of them made."""
        trainer = await asyncio.to_thread(self._start)
        await self._publish(trainer.version)
        while trainer.version < self._schedule.updates and await self._whole_batch():
            await self._update(trainer)
        return trainer.version

    def _start(self) -> Trainer:
        trainer = self._make_trainer()
        if not self._restore(trainer):
            if first := self._warm_start(self._report):
                trainer.load_adapters(first.planner, first.executor)
            self._stopwatch.lap("start")
            self._keep(trainer, consumed=())
        trainer.load_reference(*(self._files.adapter(role, 0) for role in Role))
        with room_for(self._files.metrics):
            self._metrics_file.rewind(trainer.version)
        self._stopwatch.lap("start")
        last = self._metrics_file.lines()[-1:]
        self._status = replace(self._status, metrics=dict(last[0]) if last else {})
        self._gate.advance(trainer.version)
        return trainer

    def _restore(self, trainer: Trainer) -> bool:
        """Loads the newest checkpoint that is whole; False where there is none yet.

        Raises:
            CorruptDataError: there are some, but none is whole.
        """
        found = self._files.checkpoint_versions()
        for version in found:
            self._report(0.0, f"restoring version {version}")
            try:
                trainer.load_checkpoint(self._files.checkpoint(version))
            except CorruptDataError as error:
                log.warning("checkpoint %d is left out: %s", version, error)
            else:
                return True
        if found:
            raise CorruptDataError(f"no checkpoint in {self._files.checkpoint(0).parent} is whole")
        return False

    async def _whole_batch(self) -> bool:
        """Waits until the next update has all its episodes; False if the run is to stop."""
        self._show(Phase.GATHERING, f"gathering for update {self._status.version + 1}", 0.0)
        while not self._gate.batch_is_whole() and not self._stopping:
            self._stored.clear()
            await self._stored.wait()
        self._stopwatch.lap("gather")
        return not self._stopping

    async def _update(self, trainer: Trainer) -> None:
        self._show(Phase.UPDATING, f"update {trainer.version + 1}", 0.0)
        metrics = await asyncio.to_thread(self._train_on_next_batch, trainer)
        await self._publish(trainer.version)
        self._status = replace(self._status, metrics=metrics)

    def _train_on_next_batch(self, trainer: Trainer) -> dict[str, float]:
        numbers = self._schedule.batch(trainer.version)
        episodes = self._store.load(numbers)
        metrics = episode_metrics(episodes, trainer.version)
        update = self._updated(trainer, episodes)
        for number, advantages in zip(numbers, update.advantages, strict=True):
            self._store.set_advantages(number, advantages)
        self._stopwatch.lap("update")
        metrics |= {"adapter/version": trainer.version, **update.metrics, **self._stopwatch.take()}
        # The line first: after a crash in between, restoring drops it and the update is made again.
        with appended_whole(self._files.metrics):
            self._metrics_file.append(metrics)
        self._keep(trainer, consumed=range(numbers.stop))
        return metrics

    def _updated(self, trainer: Trainer, episodes: Sequence[Episode]) -> Update:
        whole = trainer.version
        try:
            return trainer.update(episodes, self._report)
        except DivergedError as error:
            good = self._last_without_skips(whole)
            message = f"{error}. Version {whole} is the last whole one: {self._files.checkpoint(whole)}"
            if good < whole and self._files.checkpoint(good).is_dir():
                message += (
                    f". Steps were left out since version {good}; without the checkpoints after "
                    f"{self._files.checkpoint(good)}, --resume goes on from there"
                )
            raise DivergedError(message) from error

    def _last_without_skips(self, version: int) -> int:
        """The last version up to this one before which no step was left out."""
        for line in reversed(self._metrics_file.lines()):
            if not any(count for name, count in line.items() if name.endswith("/skipped_steps")):
                break
            version = int(line["adapter/version"]) - 1
        return version

    def _keep(self, trainer: Trainer, consumed: Sequence[int]) -> None:
        """Writes adapters and checkpoint, whose adapters are on disk before it is; drops old checkpoints."""
        for role in Role:
            trainer.save_adapter(role, self._files.adapter(role, trainer.version))
        trainer.save_checkpoint(self._files.checkpoint(trainer.version), consumed)
        self._drop_checkpoints(trainer.version)
        self._stopwatch.lap("checkpoint")

    def _drop_checkpoints(self, version: int) -> None:
        """Those that are too old; newer ones than `version` are not whole, and count for nothing."""
        kept = [found for found in self._files.checkpoint_versions() if found <= version]
        for old in kept[self._keep_checkpoints :]:
            shutil.rmtree(self._files.checkpoint(old), ignore_errors=True)

    async def _publish(self, version: int) -> None:
        self._show(Phase.PUBLISHING, f"version {version} goes to the servers", 0.0)
        await asyncio.gather(
            *(self._publisher.publish(role, version, self._files.adapter(role, version)) for role in Role)
        )
        self._status = replace(self._status, version=version)
        self._gate.advance(version)
        self._stopwatch.lap("push")

    def _note_end(self) -> None:
        self._stopwatch.lap(_PARTS[self._status.phase])
        line = {"adapter/version": self._status.version, **self._stopwatch.take()}
        path = self._files.ends
        try:
            with appended_whole(path):
                MetricsFile(path).append(line)
        except (ExhaustedError, OSError) as error:  # most likely why the run ends
            log.warning("the times of the end are not kept: %s", error)

    def _report(self, share: float, message: str) -> None:
        self._status = replace(self._status, progress=share, message=message)

    def _show(self, phase: Phase, message: str, progress: float) -> None:
        log.info("%s: %s", phase.value, message)
        self._status = replace(self._status, phase=phase, message=message, progress=progress)
