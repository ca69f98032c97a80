"""Decides who may play an episode, and which finished episodes are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError, PreconditionError, UnavailableError
from learner.service.gate import RETRY_SECONDS, LeaseGate, Schedule
from learner.service.status import StatusBoard
from run_folder.store import EpisodeStore
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease, Wait
from trajectory.validation import EpisodeError, check


class Admission:
    """Grants leases, stores episodes, and says when a batch is complete. Called from one event loop."""

    def __init__(
        self,
        schedule: Schedule,
        store: EpisodeStore,
        status: StatusBoard,
        vocabulary: int,
        clock: Callable[[], float],
    ) -> None:
        """`vocabulary` is the number of token ids of the base model; `clock` gives seconds."""
        self._schedule = schedule
        self._store = store
        self._status = status
        self._vocabulary = vocabulary
        self._clock = clock
        self._gate = LeaseGate(store.run_id, schedule, store.numbers(), 0)
        self._changed = asyncio.Event()
        self._stopping = False
        self._count()

    def lease(self, run_id: str) -> Lease | Wait | Finished:
        """The next episode to play, or why there is none now.

        Raises:
            PreconditionError: the caller plays another run.
            UnavailableError: the learner has failed.
        """
        if run_id:
            self._check_run(run_id)
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

    async def submit(self, episode: pb.Episode) -> bool:
        """Stores an episode; when this returns it is on disk. False if its place was taken already.

        Raises:
            InvalidInputError: names the turn and field that are wrong; nothing is stored.
            PreconditionError: an episode of another run.
            ExhaustedError: the disk is full; nothing is stored.
        """
        self._check_episode(episode)
        new = await asyncio.to_thread(self._store.add, episode)
        self._gate.complete(episode.number)
        self._count()
        self._changed.set()
        return new

    def stop(self) -> None:
        """Ends the run after the update in flight; grants no more leases."""
        self._stopping = True
        self._changed.set()

    def advance(self, version: int) -> None:
        """Called when `version` is published; leases of later episodes may be granted then."""
        self._gate.advance(version)

    async def whole_batch(self) -> bool:
        """Waits until the next update has all its episodes; False if the run is to stop."""
        while not self._gate.batch_is_whole() and not self._stopping:
            self._changed.clear()
            await self._changed.wait()
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

    def _check_run(self, run_id: str) -> None:
        if run_id != self._store.run_id:
            raise PreconditionError(f"this learner has run {self._store.run_id}, not {run_id}")

    def _count(self) -> None:
        self._status.count(self._gate.stored, self._gate.open_leases)
