"""Typed clients of the learner, for leases and episodes and for its status."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from hiper.v1 import episode_pb2, episode_pb2_grpc, learner_pb2, learner_pb2_grpc

from serving.rpc.connection import Connection
from trajectory.episode import Episode
from trajectory.learner_status import LearnerStatus
from trajectory.learner_wire import lease_outcome_from_pb, status_from_pb, task_list_to_pb
from trajectory.lease import Finished, Lease, TaskList, Wait
from trajectory.wire import episode_to_pb


class EpisodeClient:
    """Requests leases and submits episodes."""

    def __init__(
        self,
        connection: Connection,
        holder: str,
        tasks: TaskList | None = None,
        loads: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """
        Args:
            connection: To the learner.
            holder: Name of this process.
            tasks: Tasks that it plays, which the learner compares.
            loads: Returns how many of its episodes each model server plays now, by address.
        """
        self._loads = loads
        self._stub = episode_pb2_grpc.EpisodeServiceStub(connection.channel)
        self._connection, self._holder = connection, holder
        self._tasks = task_list_to_pb(tasks) if tasks else None

    async def lease(self, run_id: str = "") -> Lease | Wait | Finished:
        """Requests the next episode to play; a `HiperError` names the server."""
        request = episode_pb2.LeaseRequest(run_id=run_id, holder=self._holder, tasks=self._tasks)
        return lease_outcome_from_pb(await self._connection.call(self._stub.Lease, request))

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        """Renews leases of one run; ids of those that have lapsed."""
        request = episode_pb2.RenewRequest(
            run_id=leases[0].run_id,
            holder=self._holder,
            lease_ids=[lease.lease_id for lease in leases],
            loads=[
                episode_pb2.ReplicaLoad(address=address, episodes=episodes)
                for address, episodes in self._loads().items()
            ],
        )
        # An answer that is lost must leave time for another try before a lease lapses.
        longest_try = min(lease.seconds or math.inf for lease in leases) / 3
        response = await self._connection.call(self._stub.Renew, request, longest_try)
        return frozenset(response.lapsed_ids)

    async def submit(self, episode: Episode) -> bool:
        """Submits an episode; once this returns, the learner has it on disk. True if it had it before."""
        request = episode_pb2.SubmitRequest(episode=episode_to_pb(episode))
        response = await self._connection.call(self._stub.Submit, request)
        return response.duplicate

    async def set_aside(self, lease: Lease, reason: str) -> None:
        """Reports that the lease's episode cannot be played, because its environment broke its contract."""
        request = episode_pb2.SetAsideRequest(
            run_id=lease.run_id, holder=self._holder, lease_id=lease.lease_id, reason=reason
        )
        await self._connection.call(self._stub.SetAside, request)


class LearnerClient:
    """Asks the learner for its status, and tells it to stop."""

    def __init__(self, connection: Connection) -> None:
        self._stub = learner_pb2_grpc.LearnerServiceStub(connection.channel)
        self._connection = connection

    async def status(self) -> LearnerStatus:
        """The learner's current status; a `HiperError` names the server."""
        return status_from_pb(
            await self._connection.call(self._stub.GetStatus, learner_pb2.GetStatusRequest())
        )

    async def stop(self) -> None:
        """Tells the learner to end the run after the current update."""
        await self._connection.call(self._stub.Stop, learner_pb2.StopRequest())
