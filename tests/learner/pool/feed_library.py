"""What must be true of both ways into the table: registration, and a list of addresses.

A subclass, named so that pytest finds it, supplies `feed`.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from configuration.run import PoolSettings
from core.errors import PreconditionError
from core.role import Role
from tests.learner.pool.live import Base, LivePool, LiveServer, live_pool
from trajectory.pool import MemberState

QUICK = PoolSettings(heartbeat_seconds=0.05, expiry_seconds=2.0, patience_seconds=60.0)

Start = Callable[[], AbstractAsyncContextManager[LiveServer]]
"""Starts a planner at the address of the scene."""


@dataclass
class Scene:
    """A learner's pools, and one planner that may be started and stopped."""

    live: LivePool
    start: Start
    address: str
    base: Base
    folder: Path

    async def publish(self, version: int) -> None:
        folder = self.base.write(self.folder / str(version), version)
        await self.live.pool.publish(Role.PLANNER, version, folder, lambda _, text: None)

    async def until(self, *states: MemberState) -> str:
        """Waits for one of these states of the planner; returns the reason of the state."""
        return (await self.live.until(self.address, *states)).reason


class FeedLibrary(ABC):
    """Tests of a feed."""

    @abstractmethod
    def feed(self, live: LivePool, base: Base, address: str) -> AbstractAsyncContextManager[Start]:
        """The feed, for a planner that listens at this address."""

    def play(
        self,
        base: Base,
        folder: Path,
        work: Callable[[Scene], Awaitable[None]],
        served: Base | None = None,
    ) -> None:
        """Does the work in a scene whose planner has the base model `served`, by default the run's."""

        async def scene() -> None:
            address = free_address()
            async with (
                live_pool(base, QUICK) as live,
                self.feed(live, served or base, address) as start,
            ):
                await work(Scene(live, start, address, base, folder))
            leaked = asyncio.all_tasks() - {asyncio.current_task()}
            assert not leaked, leaked

        asyncio.run(scene())

    def test_a_server_joins_and_follows_the_versions(self, base: Base, tmp_path: Path) -> None:
        async def work(scene: Scene) -> None:
            async with scene.start() as server:
                await scene.until(MemberState.JOINING)
                for version in range(2):
                    await scene.publish(version)
                    assert server.slot.state.version == version
                    member = scene.live.member(scene.address)
                    assert member and member.state is MemberState.READY
                    said = member.replica
                    assert (said.version, said.base_model) == (version, base.model.fingerprint)
                    assert said.incarnation and said.node == socket.gethostname()

        self.play(base, tmp_path, work)

    def test_a_restarted_server_catches_up_under_its_new_incarnation(
        self, base: Base, tmp_path: Path
    ) -> None:
        async def work(scene: Scene) -> None:
            async with scene.start():
                await scene.publish(3)
                before = scene.live.member(scene.address)
            async with scene.start() as again:
                while not (after := scene.live.member(scene.address)) or after.restarts != 1:
                    await asyncio.sleep(0.005)
                await scene.until(MemberState.READY)
                after = scene.live.member(scene.address)
                assert before and after
                assert before.replica.incarnation != after.replica.incarnation
                assert again.slot.state.version == 3

        self.play(base, tmp_path, work)

    def test_a_server_that_ends_leaves_the_table(self, base: Base, tmp_path: Path) -> None:
        async def work(scene: Scene) -> None:
            async with scene.start():
                await scene.publish(0)
            assert scene.live.member(scene.address)
            await scene.until(MemberState.DRAINING, MemberState.SUSPECT, MemberState.GONE)
            await scene.until(MemberState.GONE)
            assert not scene.live.pool.table().ready(Role.PLANNER)

        self.play(base, tmp_path, work)

    def test_a_server_that_was_made_to_serve_something_else_is_pushed_again(
        self, base: Base, tmp_path: Path
    ) -> None:
        async def work(scene: Scene) -> None:
            async with scene.start() as server:
                await scene.publish(0)
                await server.slot.rollback(-1, take_over=True)
                while server.slot.state.version != 0:
                    await asyncio.sleep(0.005)
                await scene.until(MemberState.READY)

        self.play(base, tmp_path, work)

    def test_a_server_with_another_base_model_is_retired(self, base: Base, tmp_path: Path) -> None:
        async def work(scene: Scene) -> None:
            async with scene.start():
                assert "another base model than the run" in await scene.until(MemberState.RETIRED)
                with pytest.raises(PreconditionError, match="another base model than the run"):
                    await scene.publish(0)

        other = replace(base, model=replace(base.model, fingerprint="other"))
        self.play(base, tmp_path, work, served=other)


def free_address() -> str:
    """A loopback address at which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"
