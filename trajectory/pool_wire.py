"""Conversion of pools to and from protobuf messages (hiper.v1)."""

from __future__ import annotations

from hiper.v1 import pool_pb2

from core.errors import InvalidInputError
from trajectory.pool import Member, MemberState, PoolTable, Replica
from trajectory.role_wire import ROLE_FROM_PB, ROLE_TO_PB

_LONGEST = 256
"""Characters of a field that the learner remembers of a server, at most."""
_STATE_TO_PB = {state: pool_pb2.MemberState.Value(f"MEMBER_STATE_{state.name}") for state in MemberState}
_STATE_FROM_PB = {number: state for state, number in _STATE_TO_PB.items()}


def replica_to_pb(replica: Replica) -> pool_pb2.Replica:
    return pool_pb2.Replica(
        role=ROLE_TO_PB[replica.role],
        address=replica.address,
        incarnation=replica.incarnation,
        node=replica.node,
        base_model=replica.base_model,
        run_id=replica.run_id,
        epoch=replica.epoch,
        version=replica.version,
        sha256=replica.sha256,
        draining=replica.draining,
        healthy=replica.healthy,
        generated_tokens=replica.generated_tokens,
        calls=replica.calls,
    )


def replica_from_pb(message: pool_pb2.Replica) -> Replica:
    """The model server that a message describes.

    Raises:
        InvalidInputError: a field is missing or too long; names it.
    """
    if message.role not in ROLE_FROM_PB:
        raise InvalidInputError("replica.role: must be ROLE_PLANNER or ROLE_EXECUTOR")
    for name in ("address", "incarnation", "base_model"):
        if not getattr(message, name):
            raise InvalidInputError(f"replica.{name}: must not be empty")
    for name in ("address", "incarnation", "node", "base_model", "run_id", "sha256"):
        if (length := len(getattr(message, name))) > _LONGEST:
            raise InvalidInputError(f"replica.{name}: {length} characters; at most {_LONGEST} are accepted")
    return _replica_from_pb(message)


def _replica_from_pb(message: pool_pb2.Replica) -> Replica:
    """The server, of which a table may know no more than role and address."""
    return Replica(
        role=ROLE_FROM_PB[message.role],
        address=message.address,
        incarnation=message.incarnation,
        node=message.node,
        base_model=message.base_model,
        run_id=message.run_id,
        epoch=message.epoch,
        version=message.version,
        sha256=message.sha256,
        draining=message.draining,
        healthy=message.healthy,
        generated_tokens=message.generated_tokens,
        calls=message.calls,
    )


def table_to_pb(table: PoolTable) -> pool_pb2.PoolTable:
    return pool_pb2.PoolTable(
        revision=table.revision,
        run_id=table.run_id,
        epoch=table.epoch,
        version=table.version,
        members=[_member_to_pb(member) for member in table.members],
    )


def table_from_pb(message: pool_pb2.PoolTable) -> PoolTable:
    """The table, without members in a state or of a role that only a newer learner knows."""
    return PoolTable(
        run_id=message.run_id,
        epoch=message.epoch,
        version=message.version,
        members=tuple(
            _member_from_pb(member)
            for member in message.members
            if member.state in _STATE_FROM_PB and member.replica.role in ROLE_FROM_PB
        ),
        revision=message.revision,
    )


def _member_to_pb(member: Member) -> pool_pb2.PoolMember:
    return pool_pb2.PoolMember(
        replica=replica_to_pb(member.replica),
        state=_STATE_TO_PB[member.state],
        lag=member.lag,
        bound_episodes=member.bound_episodes,
        tokens_per_second=member.tokens_per_second,
        restarts=member.restarts,
        silent_seconds=member.silent_seconds,
        reason=member.reason,
    )


def _member_from_pb(message: pool_pb2.PoolMember) -> Member:
    return Member(
        replica=_replica_from_pb(message.replica),
        state=_STATE_FROM_PB[message.state],
        lag=message.lag,
        bound_episodes=message.bound_episodes,
        tokens_per_second=message.tokens_per_second,
        restarts=message.restarts,
        silent_seconds=message.silent_seconds,
        reason=message.reason,
    )
