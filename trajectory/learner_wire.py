"""Conversion of the learner's answers, leases and status, to and from protobuf messages (hiper.v1)."""

from __future__ import annotations

from hiper.v1 import episode_pb2, learner_pb2

from core.errors import InvalidInputError
from trajectory.learner_status import LearnerStatus, Phase
from trajectory.lease import Finished, Lease, TaskList, TaskPart, Wait

_PHASE_TO_PB = {
    Phase.STARTING: learner_pb2.LEARNER_PHASE_STARTING,
    Phase.GATHERING: learner_pb2.LEARNER_PHASE_GATHERING,
    Phase.UPDATING: learner_pb2.LEARNER_PHASE_UPDATING,
    Phase.PUBLISHING: learner_pb2.LEARNER_PHASE_PUBLISHING,
    Phase.FINISHED: learner_pb2.LEARNER_PHASE_FINISHED,
    Phase.FAILED: learner_pb2.LEARNER_PHASE_FAILED,
    Phase.UNKNOWN: learner_pb2.LEARNER_PHASE_UNSPECIFIED,
}
_MOST_SHARE, _MOST_PARTS = 1000, 100
_PHASE_FROM_PB = {number: phase for phase, number in _PHASE_TO_PB.items()}


def status_to_pb(status: LearnerStatus) -> learner_pb2.LearnerStatus:
    return learner_pb2.LearnerStatus(
        run_id=status.run_id,
        phase=_PHASE_TO_PB[status.phase],
        message=status.message,
        version=status.version,
        updates_done=status.updates_done,
        updates_total=status.updates_total,
        episodes_stored=status.episodes_stored,
        episodes_trained=status.episodes_trained,
        leases_open=status.leases_open,
        progress=status.progress,
        metrics=status.metrics,
    )


def status_from_pb(message: learner_pb2.LearnerStatus) -> LearnerStatus:
    """The status; a phase that only a newer learner knows is read as UNKNOWN."""
    return LearnerStatus(
        run_id=message.run_id,
        phase=_PHASE_FROM_PB.get(message.phase, Phase.UNKNOWN),
        message=message.message,
        version=message.version,
        updates_done=message.updates_done,
        updates_total=message.updates_total,
        episodes_stored=message.episodes_stored,
        episodes_trained=message.episodes_trained,
        leases_open=message.leases_open,
        progress=message.progress,
        metrics=dict(message.metrics),
    )


def task_list_to_pb(tasks: TaskList) -> episode_pb2.TaskList:
    return episode_pb2.TaskList(
        count=tasks.count,
        sha256=tasks.sha256,
        parts=[episode_pb2.TaskPart(count=part.count, share=part.share) for part in tasks.parts],
    )


def task_list_from_pb(request: episode_pb2.LeaseRequest) -> TaskList | None:
    """The caller's list of tasks; None if it names none.

    Raises:
        InvalidInputError: a list without tasks, or with parts that do not make it up.
    """
    if not request.HasField("tasks"):
        return None
    if not request.tasks.count:
        raise InvalidInputError("tasks.count: must not be 0")
    parts = tuple(TaskPart(part.count, part.share) for part in request.tasks.parts)
    if not all(part.count and 0 < part.share <= _MOST_SHARE for part in parts):
        raise InvalidInputError(f"tasks.parts: counts must not be 0, and shares are 1 to {_MOST_SHARE}")
    if len(parts) > _MOST_PARTS:
        raise InvalidInputError(f"tasks.parts: there are at most {_MOST_PARTS}")
    if parts and sum(part.count for part in parts) != request.tasks.count:
        raise InvalidInputError(f"tasks.parts: their counts do not add up to {request.tasks.count}")
    return TaskList(request.tasks.count, request.tasks.sha256, parts)


def lease_outcome_to_pb(outcome: Lease | Wait | Finished) -> episode_pb2.LeaseResponse:
    match outcome:
        case Lease() as lease:
            return episode_pb2.LeaseResponse(lease=_lease_to_pb(lease))
        case Wait(reason, seconds):
            wait = episode_pb2.LeaseWait(retry_after_ms=round(1000 * seconds), reason=reason)
            return episode_pb2.LeaseResponse(wait=wait)
        case Finished():
            return episode_pb2.LeaseResponse(finished=episode_pb2.RunFinished())


def lease_outcome_from_pb(message: episode_pb2.LeaseResponse) -> Lease | Wait | Finished:
    """The outcome; one that only a newer learner knows is read as a pause."""
    match message.WhichOneof("outcome"):
        case "lease":
            return _lease_from_pb(message.lease)
        case "finished":
            return Finished()
        case _:
            return Wait(message.wait.reason, message.wait.retry_after_ms / 1000)


def _lease_to_pb(lease: Lease) -> episode_pb2.EpisodeLease:
    return episode_pb2.EpisodeLease(
        lease_id=lease.lease_id,
        run_id=lease.run_id,
        number=lease.number,
        group=lease.group,
        attempt=lease.attempt,
        task_seed=lease.task_seed,
        seed=lease.seed,
        version=lease.version,
        epoch=lease.epoch,
        seconds=lease.seconds,
    )


def _lease_from_pb(message: episode_pb2.EpisodeLease) -> Lease:
    return Lease(
        lease_id=message.lease_id,
        run_id=message.run_id,
        number=message.number,
        group=message.group,
        attempt=message.attempt,
        task_seed=message.task_seed,
        seed=message.seed,
        version=message.version,
        epoch=message.epoch,
        seconds=message.seconds,
    )
