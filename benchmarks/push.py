"""`bazel run //benchmarks:push`: seconds from publishing an adapter to the first token of the new version.

It is compared with what a system does that has no adapters: the learner writes the merged weights, and the
server loads them. Both are measured in one process, on the same model; pushes once while the server is idle,
and once while it answers `--load` calls at a time. The adapter travels over gRPC on this machine.

The first token is that of a short prompt, so that the time of a push is measured and not that of a prompt.
The server has room for it beside the other calls, whose prompts are those of `//benchmarks:engine`, and whose
answers have 1 to 24 tokens. There is one server, with two threads. With `--engine vllm`, the adapter is added
to vLLM.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.engine import prompts
from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, read
from configuration.servers import ModelServerSettings, TlsSettings
from configuration.tree import Configuration
from core.errors import HiperError
from core.freed_memory import keep_freed_memory
from core.progress import Progress, progress
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
BASE = {"executor": {"threads": 2}}
PROBE, NEW = 16, 24
"""Numbers of tokens: of the prompt whose first token ends a push, and of the longest answer under load."""
IDLE_GOAL, LOADED_GOAL = 0.5, 1.0
_SECONDS = 600.0
"""Deadline of a push: on a busy machine the figures should be poor rather than missing."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    rounds: int = Field(5, ge=1)
    """Number of adapters that are published in each state of the server."""
    load: int = Field(8, ge=1)
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
            seed = caller + 1000 * number
            length = random.Random(seed).randint(1, NEW)
            request = GenerationRequest(tuple(prompts(1, seed)[0]), length, 1.0, seed, frozenset())
            try:
                result = await self.engine.generate(request)
            except HiperError:
                self.failed += 1
                # A call that is refused returns at once; the pushes must still get their turn.
                await asyncio.sleep(0.1)
                continue
            self.answers[result.adapter_version] += 1
            self.mixed += result.adapter_version < least


def probe(seed: int) -> GenerationRequest:
    """A short prompt of random words, for one token."""
    words = random.Random(seed)
    ids = tuple(words.randrange(100, 40_000) for _ in range(PROBE))
    return GenerationRequest(ids, 1, 1.0, seed, frozenset())


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
        result = await self.engine.generate(probe(version))
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
        await engine.generate(probe(0))
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


async def pushes(ours: Ours, rounds: int, callers: int, report: Progress) -> dict[str, list[float]]:
    """Seconds of each push while nobody else calls, and beside this many callers."""
    found: dict[str, list[float]] = {"idle": [], f"{callers} calls": []}
    pauses = random.Random(0)
    async with ours.serving():
        # The first push is not timed: torch prepares its kernels in it.
        await ours.push()
        for place, (name, count) in enumerate(zip(found, (0, callers), strict=True)):
            async with ours.load.running(count):
                for number in range(rounds):
                    report((place + number / rounds) / 3, f"push {number + 1} of {rounds}, {name}")
                    # So that a push does not always meet the calls in the state that the one before left.
                    await asyncio.sleep(pauses.uniform(0.5, 1.5))
                    found[name].append(await ours.push())
    return found


def run(argv: Sequence[str]) -> int:
    line = read(argv, "push", BenchmarkFlags, BASE)
    c, flags, console = line.configuration, line.flags, Console()
    outcome = Outcome("push", argv, flags)
    # As the learner and the model servers do.
    keep_freed_memory()
    torch.set_num_threads(c.executor.threads)
    model = resolve_model(c.executor.model)
    settings = c.executor.model_copy(update={"max_batch": max(c.executor.max_batch, flags.load + 1)})
    with tempfile.TemporaryDirectory(prefix="hiper-push-") as name, progress(console, "push") as report:
        root = Path(name)
        ours = Ours(model, settings, two_adapters(c, model, root))
        found = asyncio.run(pushes(ours, flags.rounds, flags.load, report))
        base = AutoModelForCausalLM.from_pretrained(model.path, dtype=compute_dtype(settings.dtype))
        shutil.copytree(model.path, root / "merged", ignore=shutil.ignore_patterns("*.safetensors"))
        reloads = []
        for number in range(flags.rounds):
            report((2 + number / flags.rounds) / 3, f"reload {number + 1} of {flags.rounds}")
            reloads.append(reload(base, model, settings, root / "merged"))
    load = ours.load
    outcome.show(
        _table(found, reloads),
        f"{sum(load.answers.values())} answers under load",
        figures=[
            *(
                Figure(f"publish to first token, {name}, median", median(seconds), goal, "s", at_least=False)
                for (name, seconds), goal in zip(found.items(), (IDLE_GOAL, LOADED_GOAL), strict=True)
            ),
            Figure("answers that failed", load.failed, 0, "answers", at_least=False),
            Figure(
                "answers by an older version than was published", load.mixed, 0, "answers", at_least=False
            ),
        ],
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
