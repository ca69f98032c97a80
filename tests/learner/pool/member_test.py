"""The states of one model server, event by event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import PreconditionError
from core.role import Role
from learner.pool.member import Adapter, Limits, MemberMachine
from trajectory.pool import MemberState, Replica

LIMITS = Limits(heartbeat=2.0, expiry=6.0, restarts=2, steady=60.0)
ADDRESS = "host:1"


def adapter(version: int, epoch: int = 1) -> Adapter:
    return Adapter("run", epoch, version, bytes([epoch, version] * 16), Path())


def replica(incarnation: str = "a", **changes: Any) -> Replica:
    described = Replica(Role.PLANNER, ADDRESS, incarnation, base_model="base")
    return replace(described, **changes)


def serving(served: Adapter, incarnation: str = "a") -> Replica:
    return replica(
        incarnation,
        run_id=served.run_id,
        epoch=served.epoch,
        version=served.version,
        sha256=served.sha256,
    )


@pytest.fixture
def member() -> MemberMachine:
    """Heard of at time 0."""
    member = MemberMachine(Role.PLANNER, ADDRESS, LIMITS, 0.0)
    member.heard(replica(), 0.0)
    return member


@pytest.fixture
def ready(member: MemberMachine) -> MemberMachine:
    """Has acknowledged version 0 at time 0."""
    member.acknowledged("a", adapter(0), 0.0)
    assert member.state(0.0, adapter(0)) is MemberState.READY
    return member


def test_a_server_joins_catches_up_and_is_ready_once_it_has_acknowledged(member: MemberMachine) -> None:
    assert member.state(0.0, None) is MemberState.JOINING
    assert member.due(0.0, None) is None
    due = member.due(0.0, adapter(3))
    assert due and (due.address, due.incarnation, due.adapter) == (ADDRESS, "a", adapter(3))
    member.pushing("a")
    member.troubled("a", "its disk is full")
    shown = member.member(0.0, adapter(3))
    assert (shown.state, shown.lag, shown.reason) == (MemberState.CATCHING_UP, 4, "its disk is full")
    member.acknowledged("a", adapter(3), 1.0)
    shown = member.member(1.0, adapter(3))
    assert (shown.state, shown.lag, shown.reason) == (MemberState.READY, 0, "")
    assert shown.replica == serving(adapter(3))
    assert member.due(1.0, adapter(3)) is None


def test_what_a_server_says_that_it_serves_does_not_make_it_ready(member: MemberMachine) -> None:
    member.heard(serving(adapter(3)), 1.0)
    assert member.state(1.0, adapter(3)) is MemberState.JOINING
    assert member.due(1.0, adapter(3)) is not None


def test_a_new_version_or_epoch_is_caught_up_with(ready: MemberMachine) -> None:
    for wanted, lag in ((adapter(2), 2), (adapter(2, epoch=2), 3)):
        shown = ready.member(0.0, wanted)
        assert (shown.state, shown.lag) == (MemberState.CATCHING_UP, lag)
        due = ready.due(0.0, wanted)
        assert due and due.adapter == wanted


def test_silence_makes_a_server_suspect_then_gone_and_it_returns_only_by_a_push(
    ready: MemberMachine,
) -> None:
    for now, state in ((4.0, MemberState.READY), (4.1, MemberState.SUSPECT), (6.1, MemberState.GONE)):
        assert ready.state(now, adapter(0)) is state
    ready.heard(serving(adapter(0)), 5.0)
    assert ready.state(5.0, adapter(0)) is MemberState.READY
    ready.heard(serving(adapter(0)), 11.1)
    assert ready.state(11.1, adapter(0)) is MemberState.CATCHING_UP
    assert ready.member(11.1, adapter(0)).silent_seconds == 0
    ready.acknowledged("a", adapter(0), 11.2)
    assert ready.state(11.2, adapter(0)) is MemberState.READY


def test_a_server_whose_engine_has_failed_is_suspect_and_is_pushed_nothing(ready: MemberMachine) -> None:
    ready.heard(replace(serving(adapter(0)), healthy=False), 1.0)
    shown = ready.member(1.0, adapter(0))
    assert (shown.state, shown.reason) == (MemberState.SUSPECT, "it is not healthy")
    assert ready.due(1.0, adapter(1)) is None


def test_a_restarted_server_is_pushed_again_and_late_messages_of_the_old_one_are_ignored(
    ready: MemberMachine,
) -> None:
    ready.heard(replica("b"), 1.0)
    assert ready.state(1.0, adapter(0)) is MemberState.JOINING
    ready.heard(serving(adapter(0), "a"), 1.1)
    ready.acknowledged("a", adapter(0), 1.2)
    shown = ready.member(1.2, adapter(0))
    assert (shown.state, shown.replica.incarnation, shown.restarts) == (MemberState.JOINING, "b", 1)
    ready.acknowledged("b", adapter(0), 1.3)
    assert ready.state(1.3, adapter(0)) is MemberState.READY


def test_a_report_that_an_acknowledgement_overtook_changes_nothing_but_the_second_one_does(
    ready: MemberMachine,
) -> None:
    ready.heard(replica(), 1.0)
    shown = ready.member(1.0, adapter(0))
    assert (shown.state, shown.replica) == (MemberState.READY, serving(adapter(0)))
    ready.heard(serving(adapter(0)), 2.0)
    ready.heard(replica(), 3.0)
    assert ready.state(3.0, adapter(0)) is MemberState.READY
    ready.heard(replica(), 4.0)
    shown = ready.member(4.0, adapter(0))
    assert (shown.state, shown.replica, shown.lag) == (MemberState.CATCHING_UP, replica(), 1)
    assert ready.due(4.0, adapter(0)) is not None


def test_a_server_that_drains_is_given_nothing_and_can_be_given_episodes_again(ready: MemberMachine) -> None:
    ready.drain()
    shown = ready.member(0.0, adapter(0))
    assert (shown.state, shown.reason) == (MemberState.DRAINING, "it is drained")
    assert ready.due(0.0, adapter(1)) is None
    ready.drain(undo=True)
    assert ready.state(0.0, adapter(0)) is MemberState.READY
    ready.heard(replace(serving(adapter(0)), draining=True), 1.0)
    ready.drain(undo=True)
    shown = ready.member(1.0, adapter(0))
    assert (shown.state, shown.reason) == (MemberState.DRAINING, "it has been told to stop")


def test_a_server_that_ends_too_often_in_a_row_is_retired_until_someone_says_otherwise(
    member: MemberMachine,
) -> None:
    for now, incarnation in enumerate("bc", 1):
        member.heard(replica(incarnation), float(now))
        assert member.state(float(now), adapter(0)) is MemberState.JOINING
    member.heard(replica("d"), 3.0)
    shown = member.member(3.0, adapter(0))
    assert shown.state is MemberState.RETIRED and "it ended 3 times in a row before" in shown.reason
    member.heard(replica("e"), 4.0)
    assert member.state(4.0, adapter(0)) is MemberState.RETIRED
    member.drain(undo=True)
    assert member.state(4.0, adapter(0)) is MemberState.JOINING


def test_a_server_that_has_served_or_was_stopped_on_purpose_is_forgiven(member: MemberMachine) -> None:
    now = 0.0
    for round_ in range(9):
        member.acknowledged(member.incarnation, adapter(0), now)
        now += 60.0
        if round_ == 3:
            member.heard(replace(replica(member.incarnation), draining=True), now - 59.0)
        else:
            member.heard(serving(adapter(0), member.incarnation), now)
        member.heard(replica(f"after {round_}"), now)
        assert member.state(now, adapter(0)) is MemberState.JOINING
    assert member.member(now, adapter(0)).restarts == 9


def test_a_refusal_retires_one_incarnation_and_the_next_has_another_chance(ready: MemberMachine) -> None:
    ready.refused("before", PreconditionError("too late"))
    assert ready.state(0.0, adapter(0)) is MemberState.READY
    ready.refused("a", PreconditionError("run other has claimed this server"))
    shown = ready.member(0.0, adapter(0))
    assert (shown.state, shown.reason) == (MemberState.RETIRED, "run other has claimed this server")
    assert ready.due(0.0, adapter(1)) is None
    ready.heard(replica("b"), 1.0)
    assert ready.state(1.0, adapter(0)) is MemberState.JOINING


def test_tokens_are_counted_over_the_last_reports_of_one_incarnation(ready: MemberMachine) -> None:
    for now, tokens in ((2.0, 100), (4.0, 300)):
        ready.heard(replace(serving(adapter(0)), generated_tokens=tokens), now)
    assert ready.member(4.0, adapter(0)).tokens_per_second == 75.0
    for now in (6.0, 8.0, 10.0, 12.0, 14.0):
        ready.heard(replace(serving(adapter(0)), generated_tokens=300), now)
    assert ready.member(14.0, adapter(0)).tokens_per_second == 0.0
    ready.heard(replica("b", generated_tokens=5), 15.0)
    assert ready.member(15.0, adapter(0)).tokens_per_second == 0.0


def test_a_listed_server_that_was_never_reached_is_gone_with_the_reason() -> None:
    member = MemberMachine(Role.PLANNER, ADDRESS, LIMITS, 0.0)
    assert member.member(0.0, adapter(0)).reason == "it has not been heard of yet"
    member.unreached("connection refused")
    shown = member.member(1.0, adapter(0))
    assert (shown.state, shown.reason) == (MemberState.GONE, "connection refused")
    assert (shown.replica.address, shown.silent_seconds) == (ADDRESS, 1.0)
    member.heard(replica(), 2.0)
    assert member.member(9.0, adapter(0)).reason == ""


def test_time_in_which_nobody_could_be_heard_is_excused(ready: MemberMachine) -> None:
    ready.excuse(20.0, now=22.0)
    assert ready.state(22.0, adapter(0)) is MemberState.READY
    ready.excuse(20.0, now=22.0)
    assert ready.member(22.0, adapter(0)).silent_seconds == 0.0
