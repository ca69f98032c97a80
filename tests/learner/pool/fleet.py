"""Model servers without models or sockets, for tests of the pools."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from configuration.run import PoolSettings
from core.errors import HiperError, UnavailableError
from core.role import Role
from learner.pool.member import Adapter, Due
from learner.pool.membership import RunIdentity
from learner.pool.pool import ReplicaPool
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from trajectory.pool import Member, MemberState, Replica

RUN = RunIdentity("run", 1, "base")
SECONDS = 20.0
"""Limit of everything that is waited for."""


@dataclass
class Machine:
    """A server that takes what it is pushed, unless it is told otherwise."""

    replica: Replica
    taken: list[int] = field(default_factory=list)
    """Versions in the order in which they were acknowledged."""
    refusal: HiperError | None = None
    hangs: bool = False
    cancelled: int = 0
    """Number of pushes that were given up while it hung."""

    async def take(self, adapter: Adapter) -> str:
        try:
            while self.hangs:
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(adapter.version)
        self.replica = replace(
            self.replica,
            run_id=adapter.run_id,
            epoch=adapter.epoch,
            version=adapter.version,
            sha256=adapter.sha256,
        )
        return self.replica.incarnation


class Fleet:
    """All servers, by address; those that are not there refuse connections."""

    def __init__(self, folder: Path) -> None:
        self.machines: dict[str, Machine] = {}
        self.forgotten: list[str] = []
        self.asleep: list[str] = []
        self._folder = folder

    def start(self, role: Role, address: str, incarnation: str = "1") -> Machine:
        """A server that has just started."""
        machine = Machine(Replica(role, address, incarnation, base_model="base"))
        self.machines[address] = machine
        return machine

    def adapter(self, version: int) -> Path:
        """A folder with files of this version."""
        folder = self._folder / str(version)
        folder.mkdir(exist_ok=True)
        (folder / CONFIG_FILE).write_text("{}")
        (folder / WEIGHTS_FILE).write_text(str(version))
        return folder

    async def push(self, due: Due) -> str:
        if due.address not in self.machines:
            raise UnavailableError(f"nobody is at {due.address}")
        return await self.machines[due.address].take(due.adapter)

    async def sleep(self, role: Role, address: str) -> None:
        if (refusal := self.machines[address].refusal) is not None:
            raise refusal
        self.asleep.append(address)

    async def forget(self, role: Role, address: str) -> None:
        self.forgotten.append(address)

    def report(self, pool: ReplicaPool) -> None:
        """All servers send their heartbeat."""
        for machine in self.machines.values():
            pool.heard(machine.replica)


class Clock:
    """The real time, which can be put forward; in seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Running:
    """A pool that runs."""

    pool: ReplicaPool
    fleet: Fleet
    clock: Clock
    reports: list[str] = field(default_factory=list)
    """What publishing reported."""

    async def publish(self, version: int, *roles: Role) -> None:
        for role in roles or (Role.PLANNER,):
            folder = self.fleet.adapter(version)
            await self.pool.publish(role, version, folder, lambda _, text: self.reports.append(text))

    def pass_time(self, seconds: float) -> None:
        """Puts the clock forward, in steps in which the pool does not believe that it was held up."""
        for _ in range(math.ceil(seconds)):
            self.clock.ahead += 0.9
            self.pool.table()

    def member(self, address: str) -> Member:
        (found,) = (each for each in self.pool.table().members if each.replica.address == address)
        return found

    async def until(self, address: str, state: MemberState) -> Member:
        """Waits until the member has this state, with all servers reporting meanwhile."""
        async with asyncio.timeout(SECONDS):
            while True:
                self.fleet.report(self.pool)
                if (member := self.member(address)).state is state:
                    return member
                await asyncio.sleep(0.002)


@asynccontextmanager
async def running(folder: Path, sleepers: Collection[Role] = (), **settings: float) -> AsyncIterator[Running]:
    """A pool with servers that report only when they are told to."""
    fleet = Fleet(folder)
    clock = Clock()
    limits = PoolSettings.model_validate(settings)
    pool = ReplicaPool(RUN, fleet, limits, 30.0, clock, first_pause=0.005, sleepers=sleepers)
    work = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(SECONDS):
            yield Running(pool, fleet, clock)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        leaked = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leaked, leaked
