"""Pools on the wire: nothing is lost, and what a server may not leave out is named."""

from __future__ import annotations

import pytest
from hiper.v1 import adapter_pb2, pool_pb2
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.role import Role
from trajectory.pool import Member, MemberState, PoolTable, Replica
from trajectory.pool_wire import replica_from_pb, replica_to_pb, table_from_pb, table_to_pb

_WORDS = st.text("abc:1", min_size=1, max_size=8)
_COUNTS = st.integers(0, 2**31)
_REPLICAS = st.builds(
    Replica,
    role=st.sampled_from(Role),
    address=_WORDS,
    incarnation=_WORDS,
    node=st.text(max_size=5),
    base_model=_WORDS,
    run_id=st.text(max_size=5),
    epoch=_COUNTS,
    version=st.integers(-1, 2**31),
    sha256=st.binary(max_size=32),
    draining=st.booleans(),
    healthy=st.booleans(),
    generated_tokens=_COUNTS,
    calls=_COUNTS,
)
_MEMBERS = st.builds(
    Member,
    replica=_REPLICAS,
    state=st.sampled_from(MemberState),
    lag=_COUNTS,
    bound_episodes=_COUNTS,
    tokens_per_second=st.floats(0, 1e6),
    restarts=_COUNTS,
    silent_seconds=st.floats(0, 1e6),
    reason=st.text(max_size=5),
)
_TABLES = st.builds(
    PoolTable,
    run_id=st.text(max_size=5),
    epoch=_COUNTS,
    version=st.integers(-1, 2**31),
    members=st.lists(_MEMBERS, max_size=3).map(tuple),
    revision=_COUNTS,
)


@given(_TABLES)
def test_a_table_is_the_same_after_the_wire(table: PoolTable) -> None:
    sent = table_to_pb(table).SerializeToString()
    assert table_from_pb(pool_pb2.PoolTable.FromString(sent)) == table


def test_a_state_of_a_newer_learner_is_left_out() -> None:
    ready = Member(Replica(Role.PLANNER, "host:1", "i", base_model="m"), MemberState.READY)
    message = table_to_pb(PoolTable(members=(ready, ready)))
    message.members[0].state = 99  # type: ignore[assignment]
    assert table_from_pb(message).members == (ready,)


def test_a_table_may_have_a_server_of_which_only_the_address_is_known() -> None:
    unheard = Member(Replica(Role.PLANNER, "host:1", incarnation=""), MemberState.GONE)
    assert table_from_pb(table_to_pb(PoolTable(members=(unheard,)))).members == (unheard,)


@pytest.mark.parametrize("field", ["address", "incarnation", "base_model"])
def test_a_missing_field_is_named(field: str) -> None:
    message = replica_to_pb(Replica(Role.EXECUTOR, "host:1", "i", base_model="m"))
    message.ClearField(field)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=rf"replica\.{field}"):
        replica_from_pb(message)


@pytest.mark.parametrize("field", ["address", "incarnation", "node", "base_model", "run_id"])
def test_a_field_that_is_too_long_is_named(field: str) -> None:
    message = replica_to_pb(Replica(Role.EXECUTOR, "host:1", "i", base_model="m"))
    setattr(message, field, "x" * 257)
    with pytest.raises(InvalidInputError, match=rf"replica\.{field}: 257 characters"):
        replica_from_pb(message)


def test_a_missing_role_is_named() -> None:
    message = replica_to_pb(Replica(Role.EXECUTOR, "host:1", "i", base_model="m"))
    message.role = adapter_pb2.ROLE_UNSPECIFIED
    with pytest.raises(InvalidInputError, match=r"replica\.role"):
        replica_from_pb(message)


def test_only_ready_members_of_the_role_are_given_episodes() -> None:
    def member(role: Role, state: MemberState) -> Member:
        return Member(Replica(role, f"{role.value}:{state.value}", "i"), state)

    table = PoolTable(members=tuple(member(role, state) for role in Role for state in MemberState))
    assert [each.replica.address for each in table.ready(Role.EXECUTOR)] == ["executor:ready"]
