"""Servers that join a run which is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from configuration.run import PoolSettings
from core.role import Role
from tests.learner.pool.live import Base, LiveServer, model_server
from tests.learner.pool.session import EPISODES, Player, session

UPDATES = 4
SETTINGS = PoolSettings(heartbeat_seconds=0.05, expiry_seconds=3.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base.made(tmp_path_factory.mktemp("base"))


def test_a_third_executor_that_joins_after_update_2_speaks_the_current_version_at_its_first_turn(
    base: Base, tmp_path: Path
) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            run = await stack.enter_async_context(session(base, tmp_path, UPDATES, settings=SETTINGS))
            learner = run.live.address
            for role in (Role.PLANNER, Role.EXECUTOR, Role.EXECUTOR):
                await stack.enter_async_context(model_server(base, role, learner=learner, pool=SETTINGS))
            third: list[LiveServer] = []
            turns: Iterator[int] = count()

            async def join() -> None:
                if run.version == 2 and not third:
                    server = model_server(base, Role.EXECUTOR, learner=learner, pool=SETTINGS)
                    third.append(await stack.enter_async_context(server))
                # From the last update on, the run waits until it has joined.
                while run.version == UPDATES - 1 and len(run.live.pool.table().ready(Role.EXECUTOR)) < 3:
                    await asyncio.sleep(0.005)
                while not all(run.live.pool.table().ready(role) for role in Role):
                    await asyncio.sleep(0.005)

            def pick(role: Role) -> str:
                ready = run.live.pool.table().ready(role)
                return ready[next(turns) % len(ready)].replica.address

            player = Player(learner, pick, before_call=join)
            await player.play()
            (joined,) = third
            assert joined.engine.answered
            assert joined.engine.answered[0][1] >= 2
            assert all(epoch == 1 for epoch, _ in joined.engine.answered)
            assert not player.behind and not player.refused
            stored = run.stored()
            assert sorted(stored) == list(range(UPDATES * EPISODES))
            for number, episode in stored.items():
                spoken = {turn.act.adapter_version for turn in episode.turns}
                assert spoken == {number // EPISODES}

    asyncio.run(work())


def test_a_run_waits_for_servers_to_register_and_says_so(base: Base, tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            run = await stack.enter_async_context(session(base, tmp_path, 1, settings=SETTINGS))
            while "is known: waiting for one to register" not in run.run.status.now.message:
                await asyncio.sleep(0.005)
            servers = {}
            for role in Role:
                server = model_server(base, role, learner=run.live.address, pool=SETTINGS)
                servers[role] = await stack.enter_async_context(server)
            await Player(run.live.address, lambda role: servers[role].address).play()
            assert sorted(run.stored()) == list(range(EPISODES))

    asyncio.run(work())
