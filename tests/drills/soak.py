"""Drill of endurance: a run is played for a while in calm, then as long under faults that come at random."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc
import psutil
from hiper.v1 import learner_pb2, learner_pb2_grpc

from tests.drills.drill import Effort, Row
from tests.drills.life import Life
from tests.drills.proxy import Proxy, proxy
from tests.drills.servers import Server, server
from tests.end_to_end.processes import episodes

_WHOLE_SECONDS = 3600.0
_MEAN_SECONDS = 5.0
"""Mean time between two faults, which are a Poisson process."""
_LONGEST_PAUSE = 3.0
"""Seconds that a process is stopped for."""
_CYCLE = ("cut", "pause", "kill", "cut", "pause", "cut", "pause", "cut", "pause", "cut")
_STEADY_SECONDS = 300.0
"""Time in calm after which throughput and memory have settled, so that they can be compared."""
_LEAST_THROUGHPUT = 0.5
"""Episodes per second under faults over those in calm, at least."""
_RECOVERY_SECONDS = 60.0
_GROWTH = 1.25
"""Resident memory of a server after the faults over that before, at most."""
_MORE_FILES = 16
"""Open files of a server after the faults beyond those before, at most."""


@dataclass
class System:
    """Three servers, each behind a proxy, and an orchestrator that reaches them through these."""

    servers: Sequence[Server]
    proxies: Sequence[Proxy]
    options: tuple[str, ...]
    channel: grpc.aio.Channel
    """To the learner itself."""
    life: Life
    acknowledged: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    async def stored(self) -> int:
        stub = learner_pb2_grpc.LearnerServiceStub(self.channel)
        status: learner_pb2.LearnerStatus = await stub.GetStatus(learner_pb2.GetStatusRequest())
        return int(status.episodes_stored)

    async def stop(self) -> None:
        """The run ends after the update in flight, and with it the orchestrator."""
        await learner_pb2_grpc.LearnerServiceStub(self.channel).Stop(learner_pb2.StopRequest())
        if code := await asyncio.to_thread(self.life.end):
            self.failures.append(f"the orchestrator ended with {code}: {self.life}")
        self.acknowledged |= self.life.acknowledged

    def footprint(self) -> list[tuple[int, int]]:
        """Resident memory in bytes and open files of each server."""
        processes = [psutil.Process(each.pid) for each in self.servers]
        return [(process.memory_info().rss, process.num_fds()) for process in processes]

    async def inject(self, fault: str, draw: Random) -> None:
        match fault:
            case "cut":
                draw.choice(self.proxies).cut()
            case "pause":
                await self._pause(draw.choice(self.servers).pid, draw.uniform(0, _LONGEST_PAUSE))
            case "kill":
                await asyncio.to_thread(self.life.kill)
                self._begin_again()

    async def _pause(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def look(self) -> None:
        """Starts another orchestrator if a fault has ended it, which none of them should."""
        if self.life.ended:
            self.failures.append(f"the orchestrator ended by itself: {self.life}")
            self._begin_again()

    def _begin_again(self) -> None:
        self.acknowledged |= self.life.acknowledged
        self.life = Life(*self.options)


def soak(folder: Path, models: Sequence[Server], options: tuple[str, ...], effort: Effort) -> Row:
    """Half the time in calm, half under cut connections, paused servers and killed orchestrators.

    Args:
        folder: Empty folder for the run.
        models: Planner and executor.
        options: Options of the run, without addresses.
        effort: An hour if whole.
    """
    return asyncio.run(_soak(folder, models, (*options, "--learner.updates=100000"), effort))


async def _soak(folder: Path, models: Sequence[Server], options: tuple[str, ...], effort: Effort) -> Row:
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(proxy(model.address)) for model in models]
        addresses = [
            f"--{model.name}.address={between.address}"
            for model, between in zip(models, proxies, strict=True)
        ]
        starting = server("learner", folder, *options, *addresses, f"--run-dir={folder / 'run'}")
        with ExitStack() as started:
            learner = await asyncio.to_thread(started.enter_context, starting)
            proxies.append(await stack.enter_async_context(proxy(learner.address)))
            addresses.append(f"--learner.address={proxies[-1].address}")
            playing = (*options, *addresses, f"--run-dir={folder / 'playing'}")
            async with grpc.aio.insecure_channel(learner.address) as channel:
                system = System((*models, learner), proxies, playing, channel, Life(*playing))
                return await _played(system, folder, effort)


async def _played(system: System, folder: Path, effort: Effort) -> Row:
    seconds = max(5.0, _WHOLE_SECONDS * effort.scale / 2)
    await asyncio.to_thread(system.life.wait_for_an_episode)
    calm = await _episodes_in(seconds, system)
    before = system.footprint()
    faults = Counter[str]()
    disturbing = asyncio.ensure_future(_disturb(system, seconds, Random(effort.seed), faults))
    disturbed = await _episodes_in(seconds, system)
    await disturbing
    await _one_more(system)
    after = system.footprint()
    await system.stop()
    kept = episodes(folder / "run")
    lost = len(system.acknowledged - kept.keys())
    memory = max(late[0] / early[0] for early, late in zip(before, after, strict=True))
    files = max(late[1] - early[1] for early, late in zip(before, after, strict=True))
    ratio = disturbed / max(1, calm)
    steady = seconds < _STEADY_SECONDS or (ratio >= _LEAST_THROUGHPUT and memory <= _GROWTH)
    fine = not system.failures and steady and files <= _MORE_FILES
    note = (
        f"{', '.join(f'{count} {fault}' for fault, count in faults.items())} in {seconds:.0f} s; "
        f"{calm / seconds:.1f} episodes/s in calm, {disturbed / seconds:.1f} under faults; "
        f"memory × {memory:.2f}, {files:+} files at most; {'; '.join(system.failures[:2])}"
    )
    return Row("soak", faults.total(), faults.total() * fine, lost, note=note.removesuffix("; "))


async def _episodes_in(seconds: float, system: System) -> int:
    """Episodes that the learner has stored meanwhile."""
    first = await system.stored()
    await asyncio.sleep(seconds)
    return await system.stored() - first


async def _one_more(system: System) -> None:
    """Waits for an episode after the last fault; none within its time is a failure."""
    stored = await system.stored()
    try:
        async with asyncio.timeout(_RECOVERY_SECONDS):
            while await system.stored() == stored:
                await asyncio.sleep(0.1)
    except TimeoutError:
        system.failures.append(f"no episode within {_RECOVERY_SECONDS:g} s of the last fault")


async def _disturb(system: System, seconds: float, draw: Random, faults: Counter[str]) -> None:
    mean, loop = min(_MEAN_SECONDS, seconds / 6), asyncio.get_running_loop()
    ends = loop.time() + seconds
    await asyncio.sleep(draw.expovariate(1 / mean))
    while loop.time() < ends or not faults:
        system.look()
        fault = _CYCLE[faults.total() % len(_CYCLE)]
        faults[fault] += 1
        await system.inject(fault, draw)
        await asyncio.sleep(draw.expovariate(1 / mean))
    # The last orchestrator must have begun to play, or there is no run that could be stopped in order.
    await asyncio.to_thread(system.life.wait_for_an_episode)
    system.look()
