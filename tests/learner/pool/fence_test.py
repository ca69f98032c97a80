"""Servers that the learner knows nothing of, but a player does: behind by a version, or of another epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from core.role import Role
from serving.adapters.sender import AdapterSender, Shipment, Target
from serving.rpc.channel import open_channel
from tests.learner.pool.live import OPEN, Base, LiveServer, model_server
from tests.learner.pool.session import EPISODES, Player, Session, session

UPDATES, EPOCH = 3, 2
CALLS = 6
"""Of an episode."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base.made(tmp_path_factory.mktemp("base"))


async def push(base: Base, server: LiveServer, version: int, epoch: int, folder: Path) -> None:
    """Somebody pushes an adapter of the run to a server."""
    sender = AdapterSender("run", base.model.fingerprint, 20.0, epoch)
    async with open_channel(server.address, OPEN) as channel:
        shipment = Shipment.of(server.role, version, folder)
        await sender.send(Target(server.address, channel), shipment)


async def one_behind(base: Base, run: Session, servers: Sequence[LiveServer]) -> None:
    """Each time that a version is published, these servers are pushed the one before."""
    pushed = 0
    while True:
        if (newest := run.version) > pushed:
            pushed = newest
            for server in servers:
                folder = run.run.loop.folder.pair(newest - 1).of(server.role)
                await push(base, server, newest - 1, EPOCH, folder)
        await asyncio.sleep(0.001)


async def played(base: Base, root: Path, max_lag: int, fenced: bool) -> tuple[Player, Session, list[str]]:
    """A finished run whose player has three servers of each role in its table: one of them is the run's.

    Returns:
        The player, the run, and the addresses of the stale servers.
    """
    draw = Random(max_lag)
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(session(base, root, UPDATES, max_lag, epoch=EPOCH))
        table: dict[Role, list[str]] = {}
        late = []
        for role in Role:
            mine, behind, before = [
                await stack.enter_async_context(model_server(base, role, learner=learner))
                for learner in (run.live.address, None, None)
            ]
            table[role] = [mine.address, behind.address, before.address]
            late.append(behind)
            await push(base, before, 0, EPOCH - 1, base.adapter)
        following = asyncio.create_task(one_behind(base, run, late))
        # Without fences, an episode is refused as soon as one of its six calls was answered by a stale one.
        weights = (1, 1, 1) if fenced else (8, 1, 1)
        # The first two episodes would be answered by one stale server each.
        places = chain([2] * CALLS, [1] * CALLS, iter(lambda: draw.choices(range(3), weights)[0], None))
        player = Player(run.live.address, lambda role: table[role][next(places)], fenced)
        await player.play()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return player, run, [address for addresses in table.values() for address in addresses[1:]]


@pytest.mark.parametrize("max_lag", [0, 1, 4])
@pytest.mark.parametrize("fenced", [True, False])
def test_no_turn_of_a_server_that_is_behind_or_of_another_epoch_is_stored(
    base: Base, tmp_path: Path, max_lag: int, fenced: bool
) -> None:
    player, run, stale = asyncio.run(played(base, tmp_path, max_lag, fenced))
    stored = run.stored()
    assert sorted(stored) == list(range(UPDATES * EPISODES))
    for number, episode in stored.items():
        lease = player.leases[episode.lease_id]
        assert number // EPISODES - lease.version <= max_lag
        for turn in episode.turns:
            for role, said in ((Role.PLANNER, turn.plan), (Role.EXECUTOR, turn.act)):
                assert said.adapter_epoch == EPOCH
                assert lease.version <= said.adapter_version <= UPDATES
                hashes = run.run.loop.folder.pair(said.adapter_version).hashes()
                assert said.adapter_sha256.hex() == hashes[role]
    if fenced:
        assert set(stale) <= set(player.behind) and not player.refused
    else:
        assert not player.behind
        reasons = " ".join(player.refused)
        assert "adapter_version is" in reasons and "adapter_epoch is 1; the run is in epoch 2" in reasons
