"""The table of both pools, whatever happens to its members in whatever order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.errors import ClaimedError, ExhaustedError, NotFoundError, PreconditionError, UnavailableError
from core.role import Role
from learner.pool.member import Adapter, Due, Limits
from learner.pool.membership import Membership, RunIdentity
from trajectory.pool import Member, MemberState, Replica

RUN = RunIdentity("run", 2, "base")
LIMITS = Limits(heartbeat=2.0, expiry=6.0, restarts=5, steady=60.0)
PATIENCE = 300.0


def adapter(role: Role, version: int) -> Adapter:
    return Adapter("run", 2, version, f"{role.value} {version}".encode(), Path(role.value))


def replica(role: Role = Role.PLANNER, address: str = "a:1", incarnation: str = "1") -> Replica:
    return Replica(role, address, incarnation, base_model="base")


@pytest.fixture
def members() -> Membership:
    return Membership(RUN, LIMITS, holder_seconds=30.0, now=0.0)


def made_ready(members: Membership, described: Replica, now: float, version: int = 0) -> None:
    members.heard(described, now)
    members.want(described.role, adapter(described.role, version), now)
    due = members.due((described.role, described.address), now)
    assert due
    members.acknowledged(due, now)


def only(members: Membership, now: float) -> Member:
    (member,) = members.table(now).members
    return member


def test_the_table_says_what_is_served_by_whom_in_order_and_counts_its_changes(members: Membership) -> None:
    first = members.table(0.0)
    assert (first.run_id, first.epoch, first.version, first.members) == ("run", 2, -1, ())
    made_ready(members, replica(Role.PLANNER, "b:1"), 0.0)
    made_ready(members, replica(Role.EXECUTOR, "b:1"), 0.0)
    members.heard(replica(Role.EXECUTOR, "a:1"), 0.0)
    table = members.table(0.0)
    assert [(each.replica.role, each.replica.address) for each in table.members] == [
        (Role.EXECUTOR, "a:1"),
        (Role.EXECUTOR, "b:1"),
        (Role.PLANNER, "b:1"),
    ]
    assert [each.replica.address for each in table.ready(Role.EXECUTOR)] == ["b:1"]
    assert table.version == 0 and table.revision > first.revision
    members.heard(replica(Role.EXECUTOR, "a:1"), 1.0)
    assert members.table(1.0).revision == table.revision
    assert members.table(4.5).revision > table.revision  # Two have become SUSPECT.


def test_a_server_with_another_base_model_is_refused_and_shown(members: Membership) -> None:
    with pytest.raises(
        PreconditionError, match="the planner at a:1 has another base model .* other; .* base"
    ):
        members.heard(replace(replica(), base_model="other"), 0.0)
    member = only(members, 0.0)
    assert member.state is MemberState.RETIRED and "another base model" in member.reason


def test_made_up_addresses_are_remembered_up_to_a_limit(members: Membership) -> None:
    made_ready(members, replica(), 0.0)
    with pytest.raises(ExhaustedError, match="512 members"):
        for number in range(1000):
            members.heard(replica(address=f"b:{number}"), 0.0)
    members.heard(replica(), 1.0)
    assert len(members.table(1.0).members) == 512


def test_bound_episodes_are_summed_until_their_holder_is_silent(members: Membership) -> None:
    members.heard(replica(), 0.0)
    members.report_loads("x", {"a:1": 2, "b:1": 7}, 0.0)
    members.report_loads("y", {"a:1": 3}, 20.0)
    assert only(members, 20.0).bound_episodes == 5
    members.report_loads("y", {"a:1": 1}, 21.0)
    assert only(members, 29.0).bound_episodes == 3
    assert only(members, 30.0).bound_episodes == 1
    assert only(members, 51.0).bound_episodes == 0


def test_a_member_is_drained_by_its_address_or_those_there_are_are_named(members: Membership) -> None:
    made_ready(members, replica(), 0.0)
    with pytest.raises(NotFoundError, match="no member has the address b:1; there are: a:1"):
        members.drain("b:1", 0.0)
    members.drain("a:1", 0.0)
    assert only(members, 0.0).state is MemberState.DRAINING
    members.drain("a:1", 0.0, undo=True)
    assert only(members, 0.0).state is MemberState.READY


def test_servers_that_have_long_been_silent_are_forgotten_and_listed_ones_are_shown(
    members: Membership,
) -> None:
    members.heard(replica(), 0.0)
    members.unreached(Role.PLANNER, "b:1", "connection refused", 0.0)
    assert len(members.table(600.0).members) == 2
    assert members.table(600.1).members == ()
    members.unreached(Role.PLANNER, "b:1", "connection refused", 601.0)
    assert only(members, 601.0).reason == "connection refused"


def test_a_role_without_a_ready_server_fails_after_the_patience_and_says_how_each_one_is(
    members: Membership,
) -> None:
    assert members.failure(Role.PLANNER, 1000.0, PATIENCE) is None
    members.want(Role.PLANNER, adapter(Role.PLANNER, 0), 1000.0)
    assert members.failure(Role.PLANNER, 1300.0, PATIENCE) is None
    error = members.failure(Role.PLANNER, 1300.5, PATIENCE)
    assert isinstance(error, UnavailableError)
    assert str(error) == (
        "no planner has been ready for 300 s (pool.patience_seconds): none is known: none has registered, "
        "and none is listed"
    )
    made_ready(members, replica(), 1400.0)
    assert members.failure(Role.PLANNER, 1400.0, PATIENCE) is None
    members.unreached(Role.PLANNER, "b:1", "connection refused", 1404.0)
    members.refresh(1404.0)
    assert members.failure(Role.PLANNER, 1703.9, PATIENCE) is None
    error = members.failure(Role.PLANNER, 1704.1, PATIENCE)
    assert str(error).endswith(": a:1 is gone; b:1 is gone (connection refused)")


def test_a_role_whose_servers_all_refuse_fails_at_once_with_the_reason_of_the_only_one(
    members: Membership,
) -> None:
    members.want(Role.PLANNER, adapter(Role.PLANNER, 0), 0.0)
    for address in ("a:1", "b:1"):
        members.heard(replica(address=address), 0.0)
    for address in ("a:1", "b:1"):
        assert members.failure(Role.PLANNER, 0.0, PATIENCE) is None
        due = members.due((Role.PLANNER, address), 0.0)
        assert due
        members.rejected(due, ClaimedError(f"{address} is claimed"), 0.0)
    error = members.failure(Role.PLANNER, 0.0, PATIENCE)
    assert str(error) == (
        "no planner is left: a:1 is retired (a:1 is claimed); b:1 is retired (b:1 is claimed)"
    )
    alone = Membership(RUN, LIMITS, 30.0, 0.0)
    alone.want(Role.PLANNER, adapter(Role.PLANNER, 0), 0.0)
    refusal = PreconditionError("the server at a:1 has the role executor")
    alone.refused(Role.PLANNER, "a:1", refusal, 0.0)
    assert alone.failure(Role.PLANNER, 0.0, PATIENCE) is refusal


ADDRESSES = ("a:1", "b:1")
KEYS = [(role, address) for role in Role for address in ADDRESSES]
keys = st.sampled_from(KEYS)


class Life(RuleBasedStateMachine):
    """Servers start, report, are pushed to and vanish; the model remembers what each acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.members = Membership(RUN, LIMITS, 30.0, 0.0)
        self.wanted: dict[Role, Adapter] = {}
        self.incarnation = dict.fromkeys(KEYS, 0)
        self.acknowledged: dict[tuple[Role, str, str], Adapter] = {}
        """The last acknowledgement of each incarnation."""
        self.seen: dict[tuple[Role, str], set[str]] = {}
        """Incarnations that reported since the server was last forgotten."""
        self.reported: dict[tuple[Role, str], float] = {}
        """When the present incarnation was last heard of."""
        self.pushes: list[Due] = []
        self.revision = 0
        self.shown: object = None

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 7.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(role=st.sampled_from(list(Role)), later=st.integers(1, 2))
    def version_is_published(self, role: Role, later: int) -> None:
        version = self.wanted[role].version + later if role in self.wanted else 0
        self.wanted[role] = adapter(role, version)
        self.members.want(role, self.wanted[role], self.now)

    @rule(key=keys, restarted=st.booleans(), draining=st.booleans(), healthy=st.booleans())
    def server_reports(self, key: tuple[Role, str], restarted: bool, draining: bool, healthy: bool) -> None:
        self.incarnation[key] += restarted
        self.members.refresh(self.now)
        if key not in self.members.keys:
            self.seen[key] = set()
        self.seen[key].add(str(self.incarnation[key]))
        described = replica(*key, incarnation=str(self.incarnation[key]))
        held = self.acknowledged.get((*key, described.incarnation))
        if held is not None:
            described = replace(
                described,
                run_id=held.run_id,
                epoch=held.epoch,
                version=held.version,
                sha256=held.sha256,
            )
        self.members.heard(replace(described, draining=draining, healthy=healthy), self.now)
        self.reported[key] = self.now

    @rule(key=keys)
    def late_report_of_an_earlier_incarnation(self, key: tuple[Role, str]) -> None:
        self.members.refresh(self.now)
        earlier = str(self.incarnation[key] - 1)
        if key in self.members.keys and earlier in self.seen[key]:
            self.members.heard(replica(*key, incarnation=earlier), self.now)

    @rule(key=keys)
    def push_begins(self, key: tuple[Role, str]) -> None:
        if due := self.members.due(key, self.now):
            self.members.pushing(due, self.now)
            self.pushes.append(due)

    @precondition(lambda self: self.pushes)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "done", "done", "trouble", "refusal"]))
    def push_ends(self, data: st.DataObject, outcome: str) -> None:
        due = self.pushes.pop(data.draw(st.integers(0, len(self.pushes) - 1)))
        match outcome:
            case "done":
                self.acknowledged[due.role, due.address, due.incarnation] = due.adapter
                if due.incarnation == str(self.incarnation[due.role, due.address]):
                    self.reported[due.role, due.address] = self.now
                self.members.acknowledged(due, self.now)
            case "trouble":
                self.members.troubled(due, "the disk is full")
            case "refusal":
                self.members.rejected(due, PreconditionError("no"), self.now)

    @rule(key=keys, undo=st.booleans())
    def operator_drains(self, key: tuple[Role, str], undo: bool) -> None:
        if key in self.members.keys:
            self.members.drain(key[1], self.now, undo)

    @invariant()
    def ready_implies_an_acknowledgement_of_what_is_wanted_by_this_incarnation(self) -> None:
        for member in self.members.table(self.now).members:
            if member.state is not MemberState.READY:
                continue
            said = member.replica
            key = said.role, said.address
            assert said.incarnation == str(self.incarnation[key])
            assert self.acknowledged[*key, said.incarnation] == self.wanted[said.role]
            assert self.wanted[said.role].served_by(said) and member.lag == 0
            assert not said.draining and said.healthy
            assert self.now - self.reported[key] <= LIMITS.expiry

    @invariant()
    def whoever_can_be_pushed_to_and_is_not_ready_is_due(self) -> None:
        for member in self.members.table(self.now).members:
            due = self.members.due((member.replica.role, member.replica.address), self.now)
            waiting = member.state in (MemberState.JOINING, MemberState.CATCHING_UP)
            wanted = self.wanted.get(member.replica.role)
            assert (due is not None) == (waiting and wanted is not None and member.replica.healthy)

    @invariant()
    def the_revision_rises_with_each_change_of_a_state(self) -> None:
        table = self.members.table(self.now)
        shown = table.version, {(m.replica.role, m.replica.address): m.state for m in table.members}
        assert table.revision >= self.revision
        assert shown == self.shown or table.revision > self.revision or self.shown is None
        self.revision, self.shown = table.revision, shown


TestLife = Life.TestCase
TestLife.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
