"""A whole run at the level of its services: a learner that counts, and a player that picks as it is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from hiper.v1 import (
    episode_pb2,
    episode_pb2_grpc,
    executor_pb2,
    executor_pb2_grpc,
    planner_pb2,
    planner_pb2_grpc,
)

from configuration.run import PoolSettings
from core.role import Role
from learner.pool.pool import ReplicaPool
from learner.service.gate import Schedule
from learner.service.run_parts import Trainer
from learner.service.servicer import EpisodeServicer
from learner.service.training_run import TrainingRun
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.rpc.channel import open_channel
from serving.rpc.codes import reason_of
from serving.rpc.server import Service
from tests.learner.pool.live import DEFAULT, OPEN, WORDS, Base, LivePool, WritingTrainer, live_pool
from tests.learner.service.episodes import as_leased
from trajectory.learner_wire import lease_outcome_from_pb
from trajectory.lease import Finished, Lease
from trajectory.wire import fence_to_pb

EPISODES = 4
"""Per update."""
CONTEXT = episode_pb2.TurnContext(
    goal="put a mug in the sink", turn=1, observation="You see a mug.", subgoal="find a mug"
)


Pick = Callable[[Role], str]
"""Picks the address of the server that answers next."""


@dataclass
class Session:
    """A learner with its pools, episodes and leases on one socket."""

    live: LivePool
    run: TrainingRun

    @property
    def version(self) -> int:
        """The newest version that was published."""
        return self.run.status.now.version

    def stored(self) -> dict[int, episode_pb2.Episode]:
        """All stored episodes by place."""
        store = EpisodeStore.reading(self.run.loop.folder.episodes)
        return {number: store.message(number) for number in sorted(store.numbers())}


@asynccontextmanager
async def session(
    base: Base,
    folder: Path,
    updates: int,
    max_lag: int = 0,
    settings: PoolSettings = DEFAULT,
    epoch: int = 1,
    make_trainer: Callable[[Base], Trainer] = WritingTrainer,
    sleepers: Collection[Role] = (),
) -> AsyncIterator[Session]:
    """A run whose training loop begins at once; model servers may come later."""
    schedule = Schedule(updates, EPISODES, group_size=1, max_lag=max_lag, lease_seconds=60.0, seed=1)
    root = RunFolder(folder)
    runs: list[TrainingRun] = []

    def services(pool: ReplicaPool) -> Sequence[Service]:
        store = EpisodeStore(root.episodes, "run")
        run = TrainingRun.of(
            root,
            schedule,
            store,
            lambda: make_trainer(base),
            lambda progress: None,
            pool,
            WORDS,
            epoch=epoch,
        )
        runs.append(run)
        servicer = EpisodeServicer(run.admission, pool.report_loads)
        return (
            Service(
                "hiper.v1.EpisodeService",
                lambda server: episode_pb2_grpc.add_EpisodeServiceServicer_to_server(servicer, server),
            ),
        )

    async with live_pool(base, settings, epoch, services, sleepers=sleepers) as live:
        (run,) = runs
        training = asyncio.create_task(run.loop.run())
        try:
            yield Session(live, run)
        finally:
            training.cancel()
            await asyncio.gather(training, return_exceptions=True)


@dataclass
class Player:
    """Plays episodes of three turns, which are answered by whichever servers it picks."""

    learner: str
    """Address of the learner."""
    pick: Pick
    fenced: bool = True
    leases: dict[str, Lease] = field(default_factory=dict)
    """All leases, by id."""
    behind: Counter[str] = field(default_factory=Counter)
    """Number of calls that were refused because of their fence, by address."""
    refused: list[str] = field(default_factory=list)
    """What the learner said of episodes that it did not store."""
    before_call: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))
    """What is done before each call of a model server."""
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    async def play(self) -> None:
        """Plays until the run is finished."""
        stub = episode_pb2_grpc.EpisodeServiceStub(self._channel(self.learner))
        try:
            while True:
                request = episode_pb2.LeaseRequest(run_id="run", holder="player")
                outcome = lease_outcome_from_pb(await stub.Lease(request, timeout=20))
                if isinstance(outcome, Finished):
                    return
                if isinstance(outcome, Lease):
                    self.leases[outcome.lease_id] = outcome
                    await self._submit(stub, await self._episode(outcome))
                else:
                    await asyncio.sleep(0.005)
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def _episode(self, lease: Lease) -> episode_pb2.Episode:
        played = as_leased(lease)
        for turn in played.turns:
            for role, generation in ((Role.PLANNER, turn.plan), (Role.EXECUTOR, turn.act)):
                said = await self._answer(role, lease)
                generation.adapter_version = said.adapter_version
                generation.adapter_epoch = said.adapter_epoch
                generation.adapter_sha256 = said.adapter_sha256
        return played

    async def _answer(self, role: Role, lease: Lease) -> episode_pb2.Generation:
        fence = fence_to_pb(lease.fence) if self.fenced else None
        while True:
            await self.before_call()
            address = self.pick(role)
            try:
                return await _call(self._channel(address), role, fence)
            except grpc.aio.AioRpcError as error:
                assert reason_of(error) == "behind", error
                self.behind[address] += 1

    async def _submit(self, stub: episode_pb2_grpc.EpisodeServiceStub, played: episode_pb2.Episode) -> None:
        try:
            await stub.Submit(episode_pb2.SubmitRequest(episode=played), timeout=20)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
            self.refused.append(error.details() or "")

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = open_channel(address, OPEN)
        return self._channels[address]


async def _call(
    channel: grpc.aio.Channel, role: Role, fence: episode_pb2.AdapterFence | None
) -> episode_pb2.Generation:
    if role is Role.PLANNER:
        plan = planner_pb2.PlanRequest(context=CONTEXT, seed=1, fence=fence)
        return (await planner_pb2_grpc.PlannerServiceStub(channel).Plan(plan, timeout=20)).generation
    act = executor_pb2.ActRequest(context=CONTEXT, seed=1, fence=fence, admissible_actions=["look"])
    return (await executor_pb2_grpc.ExecutorServiceStub(channel).Act(act, timeout=20)).generation
