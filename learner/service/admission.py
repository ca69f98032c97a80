"""Decides who may play an episode, and which finished episodes are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError, LapsedError, PreconditionError, UnavailableError
from learner.service.gate import RETRY_SECONDS, LeaseGate, Schedule
from learner.service.provenance import check_answers, check_lease
from learner.service.published import PublishedAdapters
from learner.service.status import StatusBoard
from learner.service.tasks import RunTasks
from play.broken import TooManyBrokenError, check_broken
from run_folder.store import EpisodeStore
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease, TaskList, Wait
from trajectory.validation import EpisodeError, check

_REASON_LENGTH = 2000
"""Number of characters of a reason that are kept."""


class Admission:
    """Grants leases, stores episodes, and says when a batch is complete. Called from one event loop."""

    def __init__(
        self,
        schedule: Schedule,
        store: EpisodeStore,
        status: StatusBoard,
        vocabulary: int,
        clock: Callable[[], float],
        published: PublishedAdapters,
    ) -> None:
        """`vocabulary` is the number of token ids of the base model; `clock` gives seconds.

        `published` says what may have answered in an episode.
        """
        self._schedule = schedule
        self._store = store
        self._status = status
        self._vocabulary = vocabulary
        self._clock = clock
        self._gate = LeaseGate(store.run_id, schedule, store.numbers(), 0, published.epoch)
        self._published = published
        self._tasks = RunTasks(schedule, store.tasks())
        self._changed = asyncio.Event()
        self._stopping = False
        self._broken: dict[int, str] = {}
        self._broken_leases: set[str] = set()
        self._too_many_broken: TooManyBrokenError | None = None
        self._count()

    def lease(self, run_id: str, holder: str = "", tasks: TaskList | None = None) -> Lease | Wait | Finished:
        """The next episode to play, or why there is none now.

        Raises:
            PreconditionError: the caller takes part in another run, or plays other tasks than others do.
            UnavailableError: the learner has failed.
        """
        if run_id:
            self._check_run(run_id)
        if tasks is not None:
            self._tasks.check_list(tasks, holder)
        status = self._status.now
        if status.phase is Phase.FAILED:
            raise UnavailableError(f"the learner has failed: {status.message}")
        if self._stopping or status.phase is Phase.FINISHED:
            return Finished()
        if status.phase is Phase.STARTING or status.version < 0:
            return Wait(f"the learner is starting: {status.message}", RETRY_SECONDS)
        outcome = self._gate.grant(self._clock())
        self._count()
        return outcome

    def renew(self, run_id: str, lease_ids: Sequence[str]) -> tuple[str, ...]:
        """Keeps leases for their whole time from now on; those of them that are not open any more.

        Raises:
            PreconditionError: the caller takes part in another run.
        """
        self._check_run(run_id)
        return self._gate.renew(lease_ids, self._clock())

    async def submit(self, episode: pb.Episode) -> bool:
        """Stores an episode; when this returns it is on disk. False if its place was taken already.

        Once it has begun, storing runs to its end even if the caller is cancelled, so that what is on disk
        and what is leased never disagree.

        Raises:
            InvalidInputError: names the turn and field that are wrong; nothing is stored.
            LapsedError: the lease is not open any more; nothing is stored.
            PreconditionError: an episode of another run, not played as it was leased, or not answered by
                what was published; names turn and field. Nothing is stored, and the place is leased again.
            ExhaustedError: the disk is full; nothing is stored.
        """
        self._check_episode(episode)
        if self._gate.is_stored(episode.number):
            return False
        self._check_provenance(episode)
        return await asyncio.shield(asyncio.ensure_future(self._keep(episode)))

    async def _keep(self, episode: pb.Episode) -> bool:
        new = await asyncio.to_thread(self._store.add, episode)
        self._gate.complete(episode.number)
        self._count()
        self._changed.set()
        return new

    async def set_aside(self, run_id: str, lease_id: str, reason: str) -> None:
        """Leaves the place of a lease without an episode, because its environment broke its contract.

        When this returns, the reason is on disk.

        Raises:
            InvalidInputError: there is no reason.
            LapsedError: the lease is not open any more; nothing changes.
            PreconditionError: the caller takes part in another run.
            TooManyBrokenError: more of the batch's episodes are set aside than may be; the run ends.
        """
        self._check_run(run_id)
        if not reason.strip():
            raise InvalidInputError("reason: must not be empty")
        if lease_id not in self._broken_leases:
            number = self._gate.place(lease_id)
            if number is None:
                raise LapsedError(f"lease {lease_id or '(none)'} is not open")
            await asyncio.shield(asyncio.ensure_future(self._leave_out(number, lease_id, reason)))
        if self._too_many_broken is not None:
            raise self._too_many_broken

    async def _leave_out(self, number: int, lease_id: str, reason: str) -> None:
        kept = reason[:_REASON_LENGTH]
        await asyncio.to_thread(self._store.set_aside, {number: kept})
        self._broken[number] = kept
        self._broken_leases.add(lease_id)
        self._gate.set_aside(number)
        try:
            self._check_batch(number // self._schedule.episodes_per_update)
        except TooManyBrokenError as error:
            self._too_many_broken = error
        self._count()
        self._changed.set()

    def _check_batch(self, update: int) -> None:
        batch = self._schedule.batch(update)
        reasons = [self._broken[number] for number in batch if number in self._broken]
        check_broken(reasons, len(batch), f"update {update + 1}")

    def stop(self) -> None:
        """Ends the run after the update in flight; grants no more leases."""
        self._stopping = True
        self._changed.set()

    def advance(self, version: int) -> None:
        """Called when `version` is published; leases of later episodes may be granted then."""
        self._gate.advance(version)

    async def whole_batch(self) -> bool:
        """Waits until the next update has all its episodes; False if the run is to stop.

        Raises:
            TooManyBrokenError: too many episodes of a batch were set aside.
        """
        while not (self._gate.batch_is_whole() or self._stopping or self._too_many_broken):
            self._changed.clear()
            await self._changed.wait()
        if self._too_many_broken is not None:
            raise self._too_many_broken
        return not self._stopping

    def _check_episode(self, episode: pb.Episode) -> None:
        try:
            check(episode, self._vocabulary)
        except EpisodeError as error:
            raise InvalidInputError(f"episode {episode.number}: {error}") from error
        self._check_run(episode.key.run_id)
        if episode.number >= self._schedule.episodes:
            raise InvalidInputError(
                f"episode {episode.number}: number: the run has {self._schedule.episodes} episodes, from 0"
            )

    def _check_provenance(self, episode: pb.Episode) -> None:
        lease = self._gate.leased(episode.number)
        if lease is None or lease.lease_id != episode.lease_id:
            raise LapsedError(
                f"episode {episode.number}: lease {episode.lease_id or '(none)'} is not open; "
                f"{f'lease {lease.lease_id} is' if lease else 'the place is not leased'}"
            )
        try:
            check_lease(episode, lease)
            check_answers(episode, lease, self._published)
            self._tasks.take(episode.number, episode.group, episode.key.task_id)
        except PreconditionError:
            self._gate.free(episode.number)
            raise

    def _check_run(self, run_id: str) -> None:
        if run_id != self._store.run_id:
            raise PreconditionError(f"this learner has run {self._store.run_id}, not {run_id}")

    def _count(self) -> None:
        self._status.count(self._gate.stored, self._gate.open_leases)
