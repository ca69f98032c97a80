"""Drills of adapters on a real planner: bad ones are refused, and good ones switched under full load."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from serving.adapters.sender import reason_is_lost
from serving.model import ModelFolder, fingerprint
from tests.drills.bad_adapters import FAULTS, Fault, Push
from tests.drills.calls import REQUESTS, Answer, Load, answers, asked, load
from tests.drills.drill import Effort, Row
from tests.drills.servers import server
from tests.end_to_end.tiny import tiny_model
from tests.serving.models import random_adapter

_CONTENTS = 4
"""Different adapters; each pushed version is one of them."""
_KEPT = 3
_ROLLBACK_SECONDS = 1.0
_LOST = "Internal error from Core"
"""gRPC's words where a call was ended while its caller was still sending, which lose the reason."""
_OPTIONS = ("--planner.temperature=0", "--planner.dtype=float32", "--planner.max_new_tokens=12")


@dataclass
class Planner:
    """A planner with a channel to it, and the answers that each adapter gives alone."""

    channel: grpc.aio.Channel
    folders: Sequence[Path]
    base_model: str
    known: list[tuple[Answer, ...]] = field(default_factory=list)
    _asked: Iterator[int] = field(default_factory=itertools.count)

    def answers_of(self, version: int) -> dict[int, Answer]:
        return dict(enumerate(self.known[version % _CONTENTS]))

    def version(self, run_id: str, version: int) -> Push:
        return Push.of(self.folders[version % _CONTENTS], run_id, version, self.base_model)

    async def state(self) -> pb.AdapterState:
        state: pb.AdapterState = await pb_grpc.AdapterServiceStub(self.channel).GetState(pb.GetStateRequest())
        return state

    async def rolled_back(self, version: int) -> float:
        """The seconds that it took until the version before answered."""
        began = time.monotonic()
        request = pb.RollbackRequest(version=version)
        await pb_grpc.AdapterServiceStub(self.channel).Rollback(request)
        return time.monotonic() - began

    async def is_served(self, run_id: str, version: int) -> bool:
        state = await self.state()
        same = (state.run_id, state.version) == (run_id, version)
        number = next(self._asked) % len(REQUESTS)
        said = await asked(self.channel, REQUESTS[number])
        return same and said == (version, self.known[version % _CONTENTS][number])


def adapters(effort: Effort) -> list[Row]:
    """Bad adapters at rest and under load, rollbacks, and switches under full load."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_model(folder / "model")
        whole = ModelFolder(model, "tiny", fingerprint(model))
        folders = [folder / f"adapter-{seed}" for seed in range(_CONTENTS)]
        for seed, each in enumerate(folders):
            # Large factors, so that the greedy answers of the versions differ.
            random_adapter(whole, each, seed, rank=4, scale=0.5)
        with server("planner", folder, f"--model={model}", *_OPTIONS) as planner:
            return asyncio.run(_all(planner.address, folders, whole.fingerprint, effort))


async def _all(address: str, folders: Sequence[Path], base_model: str, effort: Effort) -> list[Row]:
    async with grpc.aio.insecure_channel(address) as channel:
        planner = Planner(channel, folders, base_model)
        for version in range(_CONTENTS):
            await planner.version("alone", version).send(channel)
            planner.known.append(await answers(channel))
        assert all(len(set(each)) == _CONTENTS for each in zip(*planner.known, strict=True))
        at_rest = await refusals(planner, "at rest", effort)
        async with load(channel, planner.answers_of) as calls:
            loaded = [await refusals(planner, "under load", effort), await _rollbacks(planner, calls, effort)]
        if not calls.fine:
            loaded = [replace(row, survived=0, note=f"{row.note}; {calls}") for row in loaded]
        return [at_rest, *loaded, await switches(planner, effort)]


async def refusals(planner: Planner, when: str, effort: Effort) -> Row:
    """Every kind of bad adapter, spoilt at random places: refused by name, what is served unchanged."""
    draw, run_id = Random(f"{effort.seed} {when}"), f"bad {when}"
    for version in range(_KEPT + 1):
        await planner.version(run_id, version).send(planner.channel)
    count, survived, served = effort.count(1500, least=len(FAULTS)), 0, _KEPT
    wrong: Counter[str] = Counter()
    for number in range(count):
        name = list(FAULTS)[number % len(FAULTS)]
        push = planner.version(run_id, served + 1)
        answer = await refusal(planner.channel, FAULTS[name], FAULTS[name].spoil(push, draw))
        if answer is None and await planner.is_served(run_id, served):
            survived += 1
        else:
            wrong[f"{name}: {answer or 'served another'}"] += 1
    note = "; ".join(wrong) or f"{len(FAULTS)} kinds, each refused by code and words"
    return Row(f"adapters, bad, {when}", count, survived, note=note)


async def refusal(channel: grpc.aio.Channel, fault: Fault, push: Push) -> str | None:
    """None if it was refused as it must be; else the answer."""
    for _ in range(20):
        try:
            await push.send(channel)
        except grpc.aio.AioRpcError as error:
            words = error.details() or ""
            if reason_is_lost(error):
                continue
            named = error.code() is fault.code and fault.words in words
            return None if named else f"{error.code().name}: {words}"
        return "accepted"
    return _LOST


async def _rollbacks(planner: Planner, calls: Load, effort: Effort) -> Row:
    """To the version before within a second, and to the newest again.

    The answers that are being given end first, which takes longer where the machine is so busy.
    """
    run_id, newest = "rolled back", _KEPT
    for version in range(newest + 1):
        await planner.version(run_id, version).send(planner.channel)
    count, survived, longest = effort.count(200, least=4), 0, 0.0
    for _ in range(count):
        seconds = await planner.rolled_back(newest - 1)
        served = await planner.is_served(run_id, newest - 1)
        longest = max(longest, seconds)
        survived += served and seconds <= max(_ROLLBACK_SECONDS, 2 * calls.slowest)
        await planner.rolled_back(newest)
    note = f"{longest:.2f} s at most, an answer {calls.slowest:.2f} s"
    return Row("adapters, rollbacks under load", count, survived, note=note)


async def switches(planner: Planner, effort: Effort) -> Row:
    """Versions that are pushed, or rolled back to, one after the other under full load."""
    draw, run_id = Random(effort.seed), "switched"
    count, version, switched = effort.count(200, least=8), 0, 0

    async def push() -> None:
        await planner.version(run_id, version).send(planner.channel)

    async def back() -> None:
        await planner.rolled_back(draw.choice((await planner.state()).kept_versions))

    began = time.monotonic()
    async with load(planner.channel, planner.answers_of) as calls:
        for number in range(count):
            step: Callable[[], Awaitable[None]] = back if number and draw.random() < 0.2 else push
            answered = calls.answered
            await step()
            version += step is push
            while calls.answered == answered and not calls.failed:
                await asyncio.sleep(0.001)
            switched += 1
    seconds = time.monotonic() - began
    survived = switched if calls.fine else 0
    return Row("adapters, switches under load", count, survived, note=f"{calls}; {seconds:.0f} s")
