"""Publishing to many servers: late ones, restarted ones, those that fail, hang and refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import ClaimedError, ExhaustedError, PreconditionError, UnavailableError
from core.role import Role
from tests.learner.pool.fleet import running
from trajectory.pool import MemberState

READY, CATCHING_UP = MemberState.READY, MemberState.CATCHING_UP


def test_a_version_is_published_once_all_servers_that_report_hold_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            machines = [run.fleet.start(Role.PLANNER, f"p:{n}") for n in range(8)]
            other = run.fleet.start(Role.EXECUTOR, "e:1")
            run.fleet.report(run.pool)
            for version in range(3):
                await run.publish(version)
                assert all(run.member(f"p:{n}").state is READY for n in range(8))
                assert run.pool.table().version == -1
            assert [machine.taken for machine in machines] == [[0, 1, 2]] * 8
            assert other.taken == []
            await run.publish(2, Role.EXECUTOR)
            assert run.pool.table().version == 2

    asyncio.run(work())


def test_servers_that_come_late_or_again_catch_up_with_the_newest_version(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            run.fleet.start(Role.EXECUTOR, "e:1")
            run.fleet.report(run.pool)
            for version in range(3):
                await run.publish(version, Role.EXECUTOR)
            late = run.fleet.start(Role.EXECUTOR, "e:2")
            await run.until("e:2", READY)
            again = run.fleet.start(Role.EXECUTOR, "e:1", "2")
            run.fleet.report(run.pool)
            assert run.member("e:1").state is not READY
            assert (await run.until("e:1", READY)).restarts == 1
            assert (late.taken, again.taken) == ([2], [2])

    asyncio.run(work())


def test_a_server_that_hangs_is_left_behind_after_the_grace_and_gets_the_newest_version_later(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with running(tmp_path, grace_seconds=0.05) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            slow = run.fleet.start(Role.PLANNER, "p:2")
            slow.hangs = True
            run.fleet.report(run.pool)
            for version in range(3):
                await run.publish(version)
                member = run.member("p:2")
                assert (member.state, member.lag) == (CATCHING_UP, version + 1)
                assert [each.replica.address for each in run.pool.table().ready(Role.PLANNER)] == ["p:1"]
            assert slow.cancelled == 2  # Version 2 is still on its way.
            slow.hangs = False
            await run.until("p:2", READY)
            assert slow.taken == [2]

    asyncio.run(work())


def test_a_push_that_fails_is_made_again_and_the_table_says_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            full = run.fleet.start(Role.PLANNER, "p:1")
            full.refusal = ExhaustedError("its disk is full")
            run.fleet.report(run.pool)
            publishing = asyncio.create_task(run.publish(0))
            while run.member("p:1").reason != "its disk is full":
                await asyncio.sleep(0.001)
            assert run.member("p:1").state is CATCHING_UP
            full.refusal = None
            await publishing
            assert run.member("p:1").reason == ""

    asyncio.run(work())


def test_an_acknowledgement_of_another_incarnation_does_not_count(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, grace_seconds=0) as run:
            old = run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.report(run.pool)
            new = run.fleet.start(Role.PLANNER, "p:1", "2")
            publishing = asyncio.create_task(run.publish(0))
            while not new.taken:
                await asyncio.sleep(0.001)
            assert run.member("p:1").state is CATCHING_UP and not publishing.done()
            run.fleet.report(run.pool)
            await publishing
            assert run.member("p:1").state is READY and old.taken == []

    asyncio.run(work())


def test_the_only_server_of_a_role_that_refuses_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            claimed = run.fleet.start(Role.PLANNER, "p:1")
            claimed.refusal = ClaimedError("run other has claimed this server")
            run.fleet.report(run.pool)
            with pytest.raises(ClaimedError, match="run other has claimed this server"):
                await run.publish(0)
            member = run.member("p:1")
            assert (member.state, member.reason) == (MemberState.RETIRED, "run other has claimed this server")
            assert await run.pool.lost() is claimed.refusal

    asyncio.run(work())


def test_the_others_continue_without_a_server_that_refuses(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.start(Role.PLANNER, "p:2").refusal = PreconditionError("no")
            run.fleet.report(run.pool)
            await run.publish(0)
            await run.publish(1)
            assert (await run.until("p:2", MemberState.RETIRED)).reason == "no"
            assert run.member("p:1").state is READY

    asyncio.run(work())


def test_without_a_server_the_patience_is_waited_for_and_what_is_missing_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with running(tmp_path, patience_seconds=0.05) as run:
            with pytest.raises(
                UnavailableError, match="no executor has been ready for 0.05 s .* none is known"
            ):
                await run.publish(0, Role.EXECUTOR)
            assert "no executor is known: waiting for one to register" in run.reports[0]
            assert "--learner.address HOST:PORT" in run.reports[0]
            assert isinstance(await run.pool.lost(), UnavailableError)

    asyncio.run(work())
    assert sum("no executor is known" in line for line in caplog.messages) == 1


def test_a_role_that_loses_its_last_server_is_lost_after_the_patience(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, patience_seconds=60) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.report(run.pool)
            await run.publish(0)
            run.pass_time(7)
            assert run.member("p:1").state is MemberState.GONE
            lost = asyncio.create_task(run.pool.lost())
            run.pass_time(50)
            await asyncio.sleep(0)
            assert not lost.done()
            run.pass_time(20)
            error = await lost
            assert "no planner has been ready for 60 s" in str(error) and "p:1 is gone" in str(error)


def test_a_learner_that_was_held_up_does_not_take_its_servers_for_gone(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.report(run.pool)
            await run.publish(0)
            run.clock.ahead += 400.0
            assert run.member("p:1").state is READY
            run.pass_time(7)
            assert run.member("p:1").state is MemberState.GONE

    asyncio.run(work())


def test_a_server_that_is_long_gone_is_forgotten_with_its_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.report(run.pool)
            await run.publish(0)
            run.pass_time(700)
            while run.fleet.forgotten != ["p:1"]:
                await asyncio.sleep(0.001)
            assert run.pool.table().members == ()
            assert (await run.until("p:1", READY)).restarts == 0

    asyncio.run(work())


def test_as_many_servers_as_configured_must_hold_a_version(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, min_ready=2, patience_seconds=0.1) as run:
            run.fleet.start(Role.PLANNER, "p:1")
            run.fleet.report(run.pool)
            with pytest.raises(UnavailableError, match="1 of 2 servers .* of the role planner are ready"):
                await run.publish(0)
            run.fleet.start(Role.PLANNER, "p:2")
            run.fleet.report(run.pool)
            await run.publish(1)
            assert len(run.pool.table().ready(Role.PLANNER)) == 2

    asyncio.run(work())


def test_watchers_see_each_change_of_a_state_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, heartbeat_seconds=1000.0, expiry_seconds=3000.0) as run:
            seen: list[tuple[str, MemberState]] = []

            async def watch() -> None:
                async for table in run.pool.tables():
                    seen.extend((each.replica.address, each.state) for each in table.members)

            async with run.pool.watched():
                watching = asyncio.create_task(watch())
                await asyncio.sleep(0)
                run.fleet.start(Role.PLANNER, "p:1")
                run.fleet.report(run.pool)
                await run.publish(0)
                while not seen or seen[-1][1] is not READY:
                    await asyncio.sleep(0.001)
                run.pool.drain("p:1")
                while seen[-1][1] is not MemberState.DRAINING:
                    await asyncio.sleep(0.001)
            await watching
            states = [state for _, state in seen]
            assert states[0] in (MemberState.JOINING, CATCHING_UP)
            assert states[-2:] == [READY, MemberState.DRAINING]

    asyncio.run(work())


def test_an_error_of_ours_is_not_kept_quiet(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path) as run:
            run.fleet.start(Role.PLANNER, "p:1").refusal = ZeroDivisionError("a bug")  # type: ignore[assignment]
            run.fleet.report(run.pool)
            publishing = asyncio.create_task(run.publish(0))
            assert "ZeroDivisionError: a bug" in str(await run.pool.lost())
            publishing.cancel()

    asyncio.run(work())
