"""Typed clients of the learner, for leases and episodes and for its status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hiper.v1 import episode_pb2, episode_pb2_grpc, learner_pb2, learner_pb2_grpc

from serving.rpc.connection import Connection
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, Wait
from trajectory.wire import episode_to_pb


class EpisodeClient:
    """Requests leases and submits episodes."""

    def __init__(self, connection: Connection, holder: str) -> None:
        self._stub = episode_pb2_grpc.EpisodeServiceStub(connection.channel)
        self._connection, self._holder = connection, holder

    async def lease(self, run_id: str = "") -> Lease | Wait | Finished:
        """Requests the next episode to play; a `HiperError` names the server."""
        request = episode_pb2.LeaseRequest(run_id=run_id, holder=self._holder)
        response = await self._connection.call(self._stub.Lease, request)
        match response.WhichOneof("outcome"):
            case "lease":
                given = response.lease
                return Lease(
                    lease_id=given.lease_id,
                    run_id=given.run_id,
                    number=given.number,
                    group=given.group,
                    attempt=given.attempt,
                    task_seed=given.task_seed,
                    seed=given.seed,
                    version=given.version,
                )
            case "finished":
                return Finished()
            case _:
                return Wait(response.wait.reason, response.wait.retry_after_ms / 1000)

    async def submit(self, episode: Episode) -> bool:
        """Submits an episode; once this returns, the learner has it on disk. True if it had it before."""
        request = episode_pb2.SubmitRequest(episode=episode_to_pb(episode))
        response = await self._connection.call(self._stub.Submit, request)
        return response.duplicate


class Phase(Enum):
    """The learner's current activity."""

    STARTING = "starting"
    GATHERING = "gathering episodes"
    UPDATING = "updating"
    PUBLISHING = "publishing"
    FINISHED = "finished"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A phase added by a newer version of the learner."""


_PHASES = {
    learner_pb2.LEARNER_PHASE_STARTING: Phase.STARTING,
    learner_pb2.LEARNER_PHASE_GATHERING: Phase.GATHERING,
    learner_pb2.LEARNER_PHASE_UPDATING: Phase.UPDATING,
    learner_pb2.LEARNER_PHASE_PUBLISHING: Phase.PUBLISHING,
    learner_pb2.LEARNER_PHASE_FINISHED: Phase.FINISHED,
    learner_pb2.LEARNER_PHASE_FAILED: Phase.FAILED,
}


@dataclass(frozen=True)
class LearnerStatus:
    """The learner's state at one moment."""

    run_id: str
    phase: Phase
    message: str
    version: int
    """Version of the adapters that were published last; -1 before the first."""
    updates_done: int
    updates_total: int
    episodes_stored: int
    progress: float
    """Share of the phase that is done, in [0, 1]."""
    metrics: dict[str, float]
    """Metrics of the last update by name; empty before the first."""


class LearnerClient:
    """Asks the learner for its status, and tells it to stop."""

    def __init__(self, connection: Connection) -> None:
        self._stub = learner_pb2_grpc.LearnerServiceStub(connection.channel)
        self._connection = connection

    async def status(self) -> LearnerStatus:
        """The learner's current status; a `HiperError` names the server."""
        request = learner_pb2.GetStatusRequest()
        status = await self._connection.call(self._stub.GetStatus, request)
        return LearnerStatus(
            run_id=status.run_id,
            phase=_PHASES.get(status.phase, Phase.UNKNOWN),
            message=status.message,
            version=status.version,
            updates_done=status.updates_done,
            updates_total=status.updates_total,
            episodes_stored=status.episodes_stored,
            progress=status.progress,
            metrics=dict(status.metrics),
        )

    async def stop(self) -> None:
        """Tells the learner to end the run after the current update."""
        await self._connection.call(self._stub.Stop, learner_pb2.StopRequest())
