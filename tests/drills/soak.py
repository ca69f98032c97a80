"""Drill of endurance: a run is played in calm, then under faults of all kinds that come at random."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc
import psutil
from hiper.v1 import learner_pb2, learner_pb2_grpc

from core.role import Role
from run_folder.folder import RunFolder
from serving.model import fingerprint
from tests.drills.adapters import refusal
from tests.drills.bad_adapters import ALWAYS_BAD, FAULTS, Push
from tests.drills.drill import Effort, Row
from tests.drills.life import Life
from tests.drills.messages import HARMLESS, LOST, REFUSALS, call, rpcs
from tests.drills.mutate import damaged
from tests.drills.proxy import Proxy, proxy
from tests.drills.servers import Server, server
from tests.end_to_end.processes import episodes

_SECONDS = 1800.0
"""Time under faults in the whole form; in calm it is a third of that."""
_MEAN_SECONDS = 15.0
"""Mean time between two faults, which are a Poisson process."""
_LONGEST_PAUSE = 3.0
"""Seconds that a process is stopped for."""
_KINDS = ("cut", "pause", "adapter", "messages", "orchestrator", "learner")
_MILD = ("cut", "pause", "adapter", "messages") * 5
_CYCLE = (*_MILD, "orchestrator", *_MILD, "learner")
_BLOCKS = 6
"""Number of times that calm and faults alternate, so that other work on the machine slows down both."""
_SETTLING_BLOCKS = 2
"""Number of blocks until memory is compared: a learner keeps freed memory, and needs tens of updates until
pieces of all sizes are there."""
_MESSAGES = 20
_STEADY_SECONDS = 300.0
"""Time under faults from which throughput and memory have settled, so that they can be compared."""
_LEAST_THROUGHPUT = 0.8
"""Episodes per second under faults over those in calm, at least."""
_RECOVERY_SECONDS = 300.0
"""Time to the next episode after a fault, at most: the patience of all calls."""
_GROWTH = 1.25
"""Resident memory of a server after the faults over that before, at most."""
_MORE_FILES = 16
"""Open files of a server after the faults beyond those before, at most."""
_OPTIONS = ("--learner.updates=100000", "--learner.lease_seconds=5")
"""Leases are shorter than by default, because a new orchestrator waits for those of a killed one to lapse."""


@dataclass
class Learner:
    """The learner's process, which can be killed and started again on the same port."""

    folder: Path
    options: Sequence[str]
    _running: ExitStack = field(default_factory=ExitStack)
    listen: str = "127.0.0.1:0"

    def start(self) -> Server:
        starting = server("learner", self.folder, *self.options, f"--learner.listen={self.listen}")
        started = self._running.enter_context(starting)
        self.listen = started.address
        return started

    def kill(self) -> None:
        self._running.close()


@dataclass
class System:
    """Model servers and a learner behind proxies, and an orchestrator that reaches them through these."""

    models: Sequence[Server]
    learner: Learner
    learning: Server
    proxies: Sequence[Proxy]
    options: tuple[str, ...]
    """The orchestrator's."""
    base_model: str
    channels: dict[str, grpc.aio.Channel]
    """To each server itself, by its name."""
    life: Life
    acknowledged: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    async def status(self) -> learner_pb2.LearnerStatus:
        """The learner's status, as soon as there is a learner that tells it."""
        stub = learner_pb2_grpc.LearnerServiceStub(self.channels["learner"])
        async with asyncio.timeout(_RECOVERY_SECONDS):
            while True:
                with suppress(grpc.aio.AioRpcError):
                    return await stub.GetStatus(learner_pb2.GetStatusRequest())
                await asyncio.sleep(0.1)

    async def stored(self) -> int:
        return int((await self.status()).episodes_stored)

    async def one_more(self, after: str) -> None:
        """Waits for another episode; none within its time is a failure."""
        stored = await self.stored()
        try:
            async with asyncio.timeout(_RECOVERY_SECONDS):
                while await self.stored() <= stored:
                    self.look()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self.failures.append(f"no episode within {_RECOVERY_SECONDS:g} s after {after}")

    async def stop(self) -> None:
        """The run ends after the update in flight, and with it the orchestrator."""
        await learner_pb2_grpc.LearnerServiceStub(self.channels["learner"]).Stop(learner_pb2.StopRequest())
        if code := await asyncio.to_thread(self.life.end):
            self.failures.append(f"the orchestrator ended with {code}: {self.life}")
        self.acknowledged |= self.life.acknowledged

    def footprint(self) -> list[tuple[int, int]]:
        """Resident memory in bytes and open files of each server."""
        processes = [psutil.Process(each.pid) for each in (*self.models, self.learning)]
        return [(process.memory_info().rss, process.num_fds()) for process in processes]

    async def inject(self, fault: str, draw: Random) -> None:
        self.faults[fault] += 1
        match fault:
            case "cut":
                draw.choice(self.proxies).cut()
            case "pause":
                pid = draw.choice((*self.models, self.learning)).pid
                await self._pause(pid, draw.uniform(0, _LONGEST_PAUSE))
            case "adapter":
                await self._push_bad_adapter(draw)
            case "messages":
                await self._send_damaged_messages(draw)
            case "orchestrator":
                await asyncio.to_thread(self.life.kill)
                self._begin_again()
            case "learner":
                await asyncio.to_thread(self.learner.kill)
                self.learning = await asyncio.to_thread(self.learner.start)

    async def _pause(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    async def _push_bad_adapter(self, draw: Random) -> None:
        """In the name of the run itself, newer than all that it has."""
        run_id, name = (await self.status()).run_id, draw.choice(ALWAYS_BAD)
        first = RunFolder(self.learner.folder / "run").adapter(Role.PLANNER, 0)
        good = Push.of(first, run_id, 10**6, self.base_model, epoch=10**6)
        if answer := await refusal(self.channels["planner"], FAULTS[name], FAULTS[name].spoil(good, draw)):
            self.failures.append(f"an adapter, {name}: {answer}")

    async def _send_damaged_messages(self, draw: Random) -> None:
        fine = {"OK", LOST, *(code.name for code in REFUSALS)}
        harmless = [rpc for rpc in rpcs() if rpc.path.endswith(HARMLESS)]
        for _ in range(_MESSAGES):
            rpc = draw.choice(harmless)
            message = damaged(rpc.messages[0].SerializeToString(), draw)
            code = await call(self.channels[rpc.server], rpc, [message])
            if code not in fine:
                self.failures.append(f"{rpc.path}: {code}")

    def look(self) -> None:
        """Starts another orchestrator if a fault has ended it, which none of them should."""
        if self.life.ended:
            self.failures.append(f"the orchestrator ended by itself: {self.life}")
            self._begin_again()

    def _begin_again(self) -> None:
        self.acknowledged |= self.life.acknowledged
        self.life = Life(*self.options)


def soak(
    folder: Path, model: Path, models: Sequence[Server], options: tuple[str, ...], effort: Effort
) -> Row:
    """A run under cut connections, paused and killed processes, bad adapters and damaged messages.

    The whole form measures throughput, memory and files. The short one injects each fault once and waits for
    an episode after each, so that its result does not depend on how fast the machine is.

    Args:
        folder: Empty folder for the run.
        model: Folder of the base model.
        models: Planner and executor.
        options: Options of the run, without addresses.
        effort: Half an hour under faults if whole.
    """
    return asyncio.run(_soak(folder, model, models, (*options, *_OPTIONS), effort))


async def _soak(
    folder: Path, model: Path, models: Sequence[Server], options: tuple[str, ...], effort: Effort
) -> Row:
    async with _system(folder, model, models, options) as system:
        await asyncio.to_thread(system.life.wait_for_an_episode)
        seconds, draw = _SECONDS * effort.scale, Random(effort.seed)
        if seconds < _STEADY_SECONDS:
            note = await _each_once(system, draw)
        else:
            note = await _measured(system, seconds, draw)
        await system.stop()
        lost = len(system.acknowledged - episodes(folder / "run").keys())
    faults = system.faults.total()
    note = "; ".join([note, *system.failures[:2]])
    return Row("soak", faults, 0 if system.failures else faults, lost, note=note)


async def _each_once(system: System, draw: Random) -> str:
    for fault in _KINDS:
        await system.inject(fault, draw)
        await system.one_more(fault)
    return "an episode was played after each fault"


async def _measured(system: System, seconds: float, draw: Random) -> str:
    calm = disturbed = 0.0
    before = after = system.footprint()
    for block in range(_BLOCKS):
        calm += await _episodes_per_second(seconds / 3 / _BLOCKS, system) / _BLOCKS
        before = system.footprint() if block <= _SETTLING_BLOCKS else before
        disturbing = asyncio.ensure_future(_disturb(system, seconds / _BLOCKS, draw))
        disturbed += await _episodes_per_second(seconds / _BLOCKS, system) / _BLOCKS
        await disturbing
        await system.one_more("the last fault")
        after = system.footprint()
    names = [each.name for each in (*system.models, system.learning)]
    growth = [late[0] / early[0] for early, late in zip(before, after, strict=True)]
    memory = max(growth)
    files = max(late[1] - early[1] for early, late in zip(before, after, strict=True))
    if disturbed < _LEAST_THROUGHPUT * calm or memory > _GROWTH or files > _MORE_FILES:
        system.failures.append("throughput, memory or files are beyond their limit")
    return (
        f"{', '.join(f'{count} {fault}' for fault, count in system.faults.items())} in {seconds:.0f} s; "
        f"{calm:.2f} episodes/s in calm, {disturbed:.2f} under faults, {disturbed / calm:.0%}; "
        f"memory {', '.join(f'{name} × {by:.2f}' for name, by in zip(names, growth, strict=True))}, "
        f"{files:+} files at most"
    )


async def _episodes_per_second(seconds: float, system: System) -> float:
    first = await system.stored()
    await asyncio.sleep(seconds)
    return (await system.stored() - first) / seconds


async def _disturb(system: System, seconds: float, draw: Random) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while loop.time() + (pause := draw.expovariate(1 / _MEAN_SECONDS)) < ends:
        await asyncio.sleep(pause)
        system.look()
        await system.inject(_CYCLE[system.faults.total() % len(_CYCLE)], draw)
    await asyncio.sleep(max(0.0, ends - loop.time()))
    # The last orchestrator must have begun to play, or there is no run that could be stopped in order.
    await asyncio.to_thread(system.life.wait_for_an_episode)
    system.look()


@asynccontextmanager
async def _system(
    folder: Path, model: Path, models: Sequence[Server], options: tuple[str, ...]
) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(proxy(each.address)) for each in models]
        addresses = [
            f"--{each.name}.address={between.address}" for each, between in zip(models, proxies, strict=True)
        ]
        learner = Learner(folder, (*options, *addresses, f"--run-dir={folder / 'run'}"))
        stack.callback(learner.kill)
        learning = await asyncio.to_thread(learner.start)
        proxies.append(await stack.enter_async_context(proxy(learning.address)))
        addresses.append(f"--learner.address={proxies[-1].address}")
        playing = (*options, *addresses, f"--run-dir={folder / 'playing'}")
        channels = {
            each.name: await stack.enter_async_context(grpc.aio.insecure_channel(each.address))
            for each in (*models, learning)
        }
        life = Life(*playing)
        yield System(models, learner, learning, proxies, playing, fingerprint(model), channels, life)
