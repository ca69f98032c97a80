"""`bazel run //benchmarks:push`: seconds from publishing an adapter to the first token of the new version.

It is compared with what a system does that has no adapters: the learner writes the merged weights, and the
server loads them. Both are measured in one process, on the same model; pushes once while the server is idle,
and once while it answers `--load` calls at a time. The adapter travels over gRPC on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, PreTrainedModel

from configuration.command import main, read
from configuration.section import Section
from configuration.servers import ModelServerSettings, TlsSettings
from configuration.tree import Configuration
from core.errors import HiperError
from core.role import Role
from core.together import cancelled
from learner.update.adapter_files import write_adapter
from learner.update.policy import AdaptedModel
from serving.adapters.origin import AdapterOrigin
from serving.adapters.publisher import AdapterPublisher
from serving.adapters.sender import AdapterSender, Target
from serving.adapters.slot import AdapterSlot
from serving.engine import Engine, GenerationRequest
from serving.engines import make_engine
from serving.model import ModelFolder, compute_dtype, resolve_model
from serving.model_server import adapter_service
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer

ROLE = Role.EXECUTOR
PROMPT, NEW = 256, 24
_SECONDS = 120.0


class BenchmarkFlags(Section):
    """Options of this command."""

    rounds: int = 5
    """Number of adapters that are published in each state of the server."""
    load: int = 8
    """Number of calls at a time while the server is not idle."""


@dataclass
class Load:
    """Callers that ask for one answer after the other."""

    engine: Engine
    answers: Counter[int] = field(default_factory=Counter)
    """Number of answers by adapter version."""
    failed: int = 0
    mixed: int = 0
    """Number of answers of an older version than the newest that was published before they were asked for."""
    published: int = -1
    """Newest version whose publication had ended."""

    @contextlib.asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask(caller)) for caller in range(callers)]
        try:
            yield
        finally:
            await cancelled(*tasks)

    async def _ask(self, caller: int) -> None:
        number = 0
        while True:
            number, least = number + 1, self.published
            try:
                result = await self.engine.generate(asked(caller + 1000 * number, NEW))
            except HiperError:
                self.failed += 1
                continue
            self.answers[result.adapter_version] += 1
            self.mixed += result.adapter_version < least


def asked(seed: int, new: int) -> GenerationRequest:
    words = torch.randint(100, 40_000, (PROMPT,), generator=torch.Generator().manual_seed(seed))
    return GenerationRequest(tuple(words.tolist()), new, 1.0, seed, frozenset())


class Ours:
    """The engine with an adapter slot behind gRPC, and the learner's publisher."""

    def __init__(self, model: ModelFolder, settings: ModelServerSettings, folders: Sequence[Path]) -> None:
        self._model, self._settings, self._folders = model, settings, folders
        self.engine = make_engine(model, settings)
        self.load = Load(self.engine)
        self._versions = iter(range(1_000_000))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        await self.engine.start()
        slot = AdapterSlot(self.engine, ROLE, self._model, self._settings.max_lora_rank, 3)
        server = GrpcServer(self._settings, [adapter_service(slot, self.engine)])
        await server.start()
        channel = open_channel(server.address, TlsSettings())
        sender = AdapterSender("benchmark", self._model.fingerprint, _SECONDS)
        self._publisher = AdapterPublisher(Target(server.address, channel), sender, _SECONDS)
        try:
            yield
        finally:
            await channel.close()
            await server.drain()
            await self.engine.close()
            slot.close()

    async def push(self) -> float:
        """Seconds from publishing the next version to its first token."""
        version = next(self._versions)
        began = time.perf_counter()
        await self._publisher.publish(ROLE, version, self._folders[version % len(self._folders)])
        self.load.published = version
        result = await self.engine.generate(asked(version, 1))
        if result.adapter_version != version:
            raise RuntimeError(f"version {result.adapter_version} answered after {version} was published")
        return time.perf_counter() - began


def reload(merged: PreTrainedModel, folder: ModelFolder, settings: ModelServerSettings, place: Path) -> float:
    """Seconds to write the merged weights, load them in a new engine, and compute its first token.

    The old engine, its running answers and the time to end them are left out, in favour of this side.
    """
    began = time.perf_counter()
    merged.save_pretrained(place)
    engine = make_engine(ModelFolder(place, "merged", folder.fingerprint), settings)

    async def first_token() -> float:
        await engine.start()
        await engine.generate(asked(0, 1))
        seconds = time.perf_counter() - began
        await engine.close()
        return seconds

    return asyncio.run(first_token())


def two_adapters(c: Configuration, model: ModelFolder, root: Path) -> list[Path]:
    """Folders of two adapters of the configured shape whose weights are random."""
    adapted = AdaptedModel(model.path, c.lora, torch.float32, torch.device("cpu"), seed=0)
    folders = []
    for number in range(2):
        with torch.no_grad():
            for parameter in adapted.parameters_of(ROLE.value).values():
                parameter.normal_(std=1e-3, generator=torch.Generator().manual_seed(number))
        folders.append(root / f"adapter{number}")
        folders[-1].mkdir()
        origin = AdapterOrigin(model.fingerprint, ROLE.value, version=0)
        write_adapter(adapted.peft, ROLE.value, model.name, origin, folders[-1])
    return folders


async def pushes(ours: Ours, rounds: int, callers: int, console: Console) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    async with ours.serving():
        await ours.push()
        for name, count in (("idle", 0), (f"{callers} calls", callers)):
            async with ours.load.running(count):
                await asyncio.sleep(1.0 if count else 0.0)
                with console.status(name):
                    found[name] = [await ours.push() for _ in range(rounds)]
    return found


def run(argv: Sequence[str]) -> int:
    line = read(argv, "push", BenchmarkFlags)
    c, flags, console = line.configuration, line.flags, Console()
    torch.set_num_threads(c.executor.threads)
    model = resolve_model(c.executor.model)
    root = Path(tempfile.mkdtemp(prefix="hiper-push-"))
    try:
        ours = Ours(model, c.executor, two_adapters(c, model, root))
        found = asyncio.run(pushes(ours, flags.rounds, flags.load, console))
        base = AutoModelForCausalLM.from_pretrained(model.path, dtype=compute_dtype(c.executor.dtype))
        shutil.copytree(model.path, root / "merged", ignore=shutil.ignore_patterns("*.safetensors"))
        with console.status("reload"):
            reloads = [reload(base, model, c.executor, root / "merged") for _ in range(flags.rounds)]
    finally:
        shutil.rmtree(root)
    console.print(_table(found, reloads))
    load = ours.load
    console.print(
        f"{sum(load.answers.values())} answers under load, {load.failed} failed, {load.mixed} mixed"
    )
    return 0


def _table(found: dict[str, list[float]], reloads: list[float]) -> Table:
    table = Table(
        "server", "publish to first token, s: median, largest", "reload of merged weights, s", "ratio"
    )
    for name, seconds in found.items():
        table.add_row(
            name,
            f"{median(seconds):.2f}, {max(seconds):.2f}",
            f"{median(reloads):.2f}",
            f"{median(reloads) / median(seconds):.1f}",
        )
    return table


if __name__ == "__main__":
    main(run)
