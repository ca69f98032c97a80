"""Servers that sleep while the learner updates: a whole run over real sockets, and servers that cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from core.errors import ClaimedError, PreconditionError, UnavailableError
from core.progress import Progress
from core.role import Role
from learner.service.run_parts import Update
from tests.learner.pool.fleet import running
from tests.learner.pool.live import Base, LiveServer, WritingTrainer, model_server
from tests.learner.pool.session import EPISODES, Player, session
from trajectory.episode import Episode
from trajectory.learner_status import Phase
from trajectory.pool import MemberState

UPDATES = 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base.made(tmp_path_factory.mktemp("base"))


class LookingTrainer(WritingTrainer):
    """Looks during each update which servers sleep."""

    def __init__(self, base: Base, servers: Sequence[LiveServer]) -> None:
        super().__init__(base)
        self._servers = servers
        self.seen: list[list[bool]] = []

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        self.seen.append([server.slot.asleep for server in self._servers])
        return super().update(episodes, progress)


@pytest.mark.parametrize("sleepers", [(), (Role.EXECUTOR,), tuple(Role)])
def test_servers_sleep_during_each_update_and_play_before_and_after(
    base: Base, tmp_path: Path, sleepers: tuple[Role, ...]
) -> None:
    servers: list[LiveServer] = []
    trainers: list[LookingTrainer] = []

    def make(base: Base) -> LookingTrainer:
        trainers.append(LookingTrainer(base, servers))
        return trainers[-1]

    async def work() -> None:
        async with AsyncExitStack() as stack:
            run = await stack.enter_async_context(
                session(base, tmp_path, UPDATES, make_trainer=make, sleepers=sleepers)
            )
            for role in (Role.PLANNER, Role.EXECUTOR, Role.EXECUTOR):
                made = model_server(base, role, learner=run.live.address, sleeps=role in sleepers)
                servers.append(await stack.enter_async_context(made))
            for server in servers:
                await run.live.until(server.address, MemberState.READY)
            player = Player(
                run.live.address,
                lambda role: next(server.address for server in servers if server.role is role),
            )
            await player.play()
            while run.run.status.now.phase in (Phase.UPDATING, Phase.PUBLISHING):
                await asyncio.sleep(0.005)
            assert run.run.status.now.phase is Phase.FINISHED, run.run.status.now.message
            assert sorted(run.stored()) == list(range(UPDATES * EPISODES)) and not player.refused
            assert not any(server.slot.asleep for server in servers)

    asyncio.run(work())
    assert trainers[0].seen == [[server.role in sleepers for server in servers]] * UPDATES


def test_a_server_that_cannot_sleep_now_is_logged_and_one_that_may_not_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with running(tmp_path, sleepers=(Role.PLANNER,)) as run:
            machines = [run.fleet.start(Role.PLANNER, f"p:{n}") for n in range(4)]
            run.fleet.start(Role.EXECUTOR, "e:1")
            run.fleet.report(run.pool)
            await run.publish(0)
            machines[0].refusal = UnavailableError("p:0 is draining")
            machines[1].refusal = ClaimedError("run other has claimed p:1")
            with caplog.at_level(logging.WARNING):
                await run.pool.sleep()
            assert run.fleet.asleep == ["p:2", "p:3"]
            assert [message for message in caplog.messages if "does not sleep" in message] == [
                "it does not sleep during this update: p:0 is draining",
                "it does not sleep during this update: run other has claimed p:1",
            ]
            machines[2].refusal = PreconditionError("planner.sleep_while_updating = false")
            with pytest.raises(PreconditionError, match="sleep_while_updating"):
                await run.pool.sleep()

    asyncio.run(work())
