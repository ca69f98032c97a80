"""Servers whose addresses the learner was started with: it asks them for their state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from configuration.run import PoolSettings
from core.errors import PreconditionError, UnavailableError
from core.role import Role
from learner.pool.listed import ListedServers
from tests.learner.pool.feed_library import QUICK, FeedLibrary, Start, free_address
from tests.learner.pool.live import Base, LivePool, live_pool, model_server
from trajectory.pool import MemberState


@asynccontextmanager
async def asked(live: LivePool, *addresses: str) -> AsyncIterator[None]:
    """The learner asks planners at these addresses."""
    listed = ListedServers(live.pool, live.connections.describe, {Role.PLANNER: addresses})
    asking = asyncio.create_task(listed.run())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


class TestListed(FeedLibrary):
    @asynccontextmanager
    async def feed(self, live: LivePool, base: Base, address: str) -> AsyncIterator[Start]:
        async with asked(live, address):
            yield lambda: model_server(base, Role.PLANNER, address)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base.made(tmp_path_factory.mktemp("base"))


def test_a_server_of_another_role_or_none_of_ours_is_told_at_once(base: Base, tmp_path: Path) -> None:
    async def work() -> None:
        async with live_pool(base, QUICK) as live, model_server(base, Role.EXECUTOR) as executor:
            for address, message in (
                (executor.address, "has the role executor; --planner.address names it"),
                (live.address, "is no planner"),
            ):
                async with asked(live, address):
                    await live.until(address, MemberState.RETIRED)
                member = live.member(address)
                assert member and message in member.reason
            with pytest.raises(PreconditionError, match="no planner is left: .*; "):
                await live.pool.publish(Role.PLANNER, 0, base.write(tmp_path, 0), lambda _, text: None)

    asyncio.run(work())


def test_several_servers_are_listed_and_one_that_never_comes_does_not_hold_up_the_others(
    base: Base, tmp_path: Path
) -> None:
    nobody = free_address()

    async def work() -> None:
        async with (
            live_pool(base, PoolSettings(grace_seconds=1000.0)) as live,
            model_server(base, Role.PLANNER) as first,
            model_server(base, Role.PLANNER) as second,
            asked(live, nobody, first.address, second.address),
        ):
            await live.until(first.address, MemberState.JOINING)
            await live.until(second.address, MemberState.JOINING)
            await live.pool.publish(Role.PLANNER, 0, base.write(tmp_path, 0), lambda _, text: None)
            ready = {member.replica.address for member in live.pool.table().ready(Role.PLANNER)}
            assert ready == {first.address, second.address}
            absent = await live.until(nobody, MemberState.GONE)
            assert f"the planner at {nobody} is not there" in absent.reason

    asyncio.run(work())


def test_nobody_at_the_only_address_ends_the_run_after_the_patience(base: Base, tmp_path: Path) -> None:
    nobody = free_address()

    async def work() -> None:
        settings = QUICK.model_copy(update={"patience_seconds": 0.3})
        async with live_pool(base, settings) as live, asked(live, nobody):
            with pytest.raises(
                UnavailableError, match=f"no planner .* 0.3 s .* {nobody} is gone .*not there"
            ):
                await live.pool.publish(Role.PLANNER, 0, base.write(tmp_path, 0), lambda _, text: None)

    asyncio.run(work())
