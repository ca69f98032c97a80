"""`bazel run //benchmarks:engine`: tokens per second of the embedded engine and of transformers' methods.

All run in one process, on the same prompts: 256 tokens, `--shared` of them shared, and 32 new tokens. Prompts
and answers are timed together. Each figure is the best of `--rounds`, because other work on the machine can
only make it worse. The embedded engine computes a shared prefix once; `--shared 0` leaves that out of the
comparison.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, parse
from configuration.syntax import NoSections, Syntax
from core.errors import PreconditionError
from core.progress import Progress, progress
from serving.embedded.decoding import Capture, CudaGraphs
from serving.embedded.engine import EmbeddedEngine
from serving.engine import GenerationRequest
from serving.model import ModelFolder, compute_dtype, resolve_model

PROMPT, SHARED, NEW = 256, 200, 32
GOAL = 1.0
GOAL_OF_GRAPHS = 3.0
Generate = Callable[[list[list[int]]], None]
"""Function that answers prompts, all together."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    model: str = "bundled"
    """Model: `bundled`, a folder, or a hub id."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format."""
    threads: int = Field(1, ge=1)
    """Number of CPU threads."""
    rounds: int = Field(2, ge=1)
    """Number of rounds, the best of which counts."""
    shared: int = Field(SHARED, ge=0, le=PROMPT)
    """Number of tokens that all prompts begin with."""
    at_once: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 8, 32), min_length=1)
    """Numbers of requests that are made together, with commas between them."""
    only: tuple[Literal["embedded", "graphs", "static", "continuous"], ...] = (
        "embedded",
        "static",
        "continuous",
    )
    """Engines to time: ours, `embedded` or with CUDA `graphs`, which need a GPU; and transformers', with a
    `static` cache or `continuous` batching."""


SYNTAX = Syntax(
    "engine", NoSections, BenchmarkFlags, "Tokens per second of the embedded engine and of transformers."
)


@dataclass(frozen=True)
class Contender:
    """An engine to time."""

    title: str
    """Name in the table."""
    open: Callable[[ModelFolder, BenchmarkFlags], AbstractContextManager[Generate]]
    """Loads the model."""


def prompts(count: int, seed: int, shared: int = SHARED) -> list[list[int]]:
    """Token ids of prompts whose first `shared` tokens are the same, followed by random ones."""
    own, common = random.Random(seed), random.Random(0)
    beginning = [common.randrange(100, 40_000) for _ in range(shared)]
    return [beginning + [own.randrange(100, 40_000) for _ in range(PROMPT - shared)] for _ in range(count)]


def load(model: ModelFolder, dtype: torch.dtype) -> Any:
    """The model with transformers' `generate`, which its type `PreTrainedModel` does not have."""
    return AutoModelForCausalLM.from_pretrained(model.path, dtype=dtype).eval()


@contextmanager
def embedded(model: ModelFolder, flags: BenchmarkFlags, capture: Capture | None = None) -> Iterator[Generate]:
    """Our embedded engine."""
    engine = EmbeddedEngine(
        model,
        flags.dtype,
        flags.threads,
        context_length=512,
        max_batch=max(flags.at_once),
        capture=capture,
    )

    async def together(requests: list[GenerationRequest]) -> None:
        await asyncio.gather(*(engine.generate(request) for request in requests))

    with asyncio.Runner() as runner:
        runner.run(engine.start())
        yield lambda batch: runner.run(
            together([GenerationRequest(tuple(p), NEW, 1.0, i, frozenset()) for i, p in enumerate(batch)])
        )
        runner.run(engine.close())


def captured(model: ModelFolder, flags: BenchmarkFlags) -> AbstractContextManager[Generate]:
    """Our embedded engine with CUDA graphs, for a GPU."""
    return embedded(model, flags, CudaGraphs())


@contextmanager
def static_cache(model: ModelFolder, flags: BenchmarkFlags) -> Iterator[Generate]:
    """transformers' `generate` with a static cache: all requests of a batch start and end together."""
    loaded = load(model, compute_dtype(flags.dtype))
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        cache_implementation="static",
        disable_compile=True,
        pad_token_id=0,
    )
    yield lambda batch: loaded.generate(
        torch.tensor(batch),
        attention_mask=torch.ones(len(batch), PROMPT, dtype=torch.long),
        generation_config=config,
    )


@contextmanager
def continuous(model: ModelFolder, flags: BenchmarkFlags) -> Iterator[Generate]:
    """transformers' continuous batching, `generate_batch`."""
    loaded = load(model, compute_dtype(flags.dtype))
    loaded.set_attn_implementation("sdpa")
    config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, max_new_tokens=NEW, eos_token_id=-1, pad_token_id=0
    )
    # By default the cache is as large as the machine's memory, and on a CPU the process is killed.
    places = max(flags.at_once) * (PROMPT + NEW)
    bounded = ContinuousBatchingConfig(page_size=32, num_blocks=places // 32 + 32, max_batch_tokens=1024)

    def generate(batch: list[list[int]]) -> None:
        outputs = loaded.generate_batch(
            inputs=batch, generation_config=config, continuous_batching_config=bounded
        )
        lengths = [len(output.generated_tokens) for output in outputs.values()]
        if lengths != [NEW] * len(batch):
            raise RuntimeError(
                f"answers of {lengths} tokens came back; {NEW} were asked for, {len(batch)} times"
            )

    yield generate


OURS, CAPTURED = "embedded", "graphs"
ENGINES = {
    OURS: Contender("embedded", embedded),
    CAPTURED: Contender("embedded, CUDA graphs", captured),
    "static": Contender("transformers, static cache", static_cache),
    "continuous": Contender("transformers, continuous batching", continuous),
}


def measure(generate: Generate, count: int, rounds: int, shared: int) -> float:
    """New tokens per second with `count` requests at once."""
    best = 0.0
    for number in range(rounds):
        batch = prompts(count, 100 * count + number, shared)
        began = time.perf_counter()
        generate(batch)
        best = max(best, count * NEW / (time.perf_counter() - began))
    return best


def resident() -> float:
    """Resident memory of this process in gigabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e9


def speeds(model: ModelFolder, flags: BenchmarkFlags, report: Progress) -> dict[str, list[float]]:
    """Tokens per second of each engine, for each number of requests at once; then its memory in gigabytes."""
    found: dict[str, list[float]] = {}
    for place, name in enumerate(flags.only):
        with ENGINES[name].open(model, flags) as generate:
            # At every number of requests, because CUDA graphs are captured when a size first occurs.
            for count in {1, *(flags.at_once if name == CAPTURED else ())}:
                generate(prompts(count, -1, flags.shared))
            found[name] = []
            for step, count in enumerate(flags.at_once):
                share = (place + step / len(flags.at_once)) / len(flags.only)
                report(share, f"{ENGINES[name].title}, {count} at once")
                found[name].append(measure(generate, count, flags.rounds, flags.shared))
            found[name].append(resident())
    return found


def figures(found: dict[str, list[float]], at_once: Sequence[int]) -> Iterator[Figure]:
    """How much faster CUDA graphs make the embedded engine, and how much faster it is than transformers."""
    others = [speeds for name, speeds in found.items() if name not in (OURS, CAPTURED)]
    if OURS in found and CAPTURED in found:
        for place, count in enumerate(at_once):
            ratio = found[CAPTURED][place] / found[OURS][place]
            yield Figure(f"tokens/s at {count}, with / without CUDA graphs", ratio, GOAL_OF_GRAPHS)
    if OURS in found and others:
        for place, count in enumerate(at_once):
            ratio = found[OURS][place] / max(speeds[place] for speeds in others)
            yield Figure(f"tokens/s at {count}, embedded / the better of transformers'", ratio, GOAL)


def run(argv: Sequence[str]) -> int:
    flags = parse(argv, SYNTAX).flags
    if CAPTURED in flags.only and not torch.cuda.is_available():
        raise PreconditionError("--only graphs needs an NVIDIA GPU, and PyTorch finds none")
    outcome = Outcome("engine", argv, flags)
    torch.set_num_threads(flags.threads)
    model = resolve_model(flags.model)
    with progress(Console(), "engine") as report:
        found = speeds(model, flags, report)
    columns = ("engine", *(f"tokens/s at {count}" for count in flags.at_once), "RSS GB")
    title = f"{compute_dtype(flags.dtype)}, {flags.threads} thread(s), {flags.shared} tokens shared"
    table = Table(*columns, title=title)
    for name, (*rates, memory) in found.items():
        table.add_row(ENGINES[name].title, *(f"{rate:.0f}" for rate in rates), f"{memory:.2f}")
    outcome.show(table, figures=list(figures(found, flags.at_once)))
    return 0


if __name__ == "__main__":
    main(run)
