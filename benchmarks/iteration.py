"""`bazel run //benchmarks:iteration`: a whole iteration, compared with the schedule of the paper's authors.

An iteration plays a batch of episodes, updates both policies, and serves the new version. The other side is
made of the same parts: it plays in lock-step, updates with padded batches and three passes (log-probabilities
before the update, those of the reference, and the update), and serves by writing the merged weights and
loading them in new engines. Both sides play the same games with the same seeds, one after the other, in one
process, with the same cores.

In favour of the other side, it neither trains a critic nor merges the weights, and its old engines need not
be ended first.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import Field
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM

from benchmarks.games import FIRST, Opened, opened
from benchmarks.lock_step import cores, in_lock_step
from benchmarks.results import Figure, Outcome, ResultFlags, wait_for_device
from benchmarks.rollout import at_own_pace
from benchmarks.settings import TRANSCRIPTS
from benchmarks.training import Work, plain, trainer_of
from configuration.command import main, read
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from core.progress import progress
from core.role import Role
from serving.adapters.pair import AdapterPair
from serving.engines import make_engine
from serving.model import ModelFolder, compute_dtype, resolve_model

GOAL = 3.0
_KL = 0.01
"""The authors' coefficient of the KL term, which needs the pass of the reference."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    rounds: int = Field(1, ge=1)
    """Number of iterations of each side, in turn."""


@dataclass(frozen=True)
class Measured:
    """Seconds of the parts of an iteration, and what was played."""

    play: float
    update: float
    push: float
    turns: int

    @property
    def total(self) -> float:
        return self.play + self.update + self.push

    @property
    def per_turn(self) -> float:
        return self.total / self.turns


async def our_iteration(c: Configuration, model: ModelFolder, playing: Opened) -> Measured:
    began = time.perf_counter()
    episodes = await at_own_pace(playing.games)
    played = time.perf_counter()
    work = Work(c, model, episodes)
    trainer = trainer_of(work)
    loaded = time.perf_counter()
    trainer.update(episodes, lambda *_: None)
    wait_for_device()
    updated = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="hiper-iteration-") as place:
        for role, folder in AdapterPair.within(Path(place)).items():
            trainer.save_adapter(role, folder)
    # Serves the previous adapter again, which is as large as the new one, so that both sides play alike.
    await playing.forget()
    for engine in playing.engines.values():
        await engine.generate(FIRST)
    pushed = time.perf_counter()
    return Measured(played - began, updated - loaded, pushed - updated, _turns(work))


async def their_iteration(c: Configuration, model: ModelFolder, playing: Opened) -> Measured:
    began = time.perf_counter()
    episodes = await in_lock_step(playing.games)
    played = time.perf_counter()
    ppo = c.ppo.model_copy(update={"kl_coefficient": c.ppo.kl_coefficient or _KL})
    work = Work(c.model_copy(update={"ppo": ppo}), model, episodes)
    update = plain(work, recompute=True)
    base = AutoModelForCausalLM.from_pretrained(model.path, dtype=compute_dtype(c.learner.dtype))
    loaded = time.perf_counter()
    update()
    wait_for_device()
    updated = time.perf_counter()
    for role in Role:
        with tempfile.TemporaryDirectory(prefix=f"hiper-merged-{role.value}-") as place:
            base.save_pretrained(place)
            engine = make_engine(ModelFolder(Path(place), "merged", ""), c.model_server(role))
            await engine.start()
            await engine.generate(FIRST)
            await engine.close()
    pushed = time.perf_counter()
    await playing.forget()
    return Measured(played - began, updated - loaded, pushed - updated, _turns(work))


def _turns(work: Work) -> int:
    return sum(len(episode.turns) for episode in work.episodes)


Iteration = Callable[[Configuration, ModelFolder, Opened], Awaitable[Measured]]
SIDES: dict[str, Iteration] = {"the authors' schedule": their_iteration, "ours": our_iteration}


async def compared(c: Configuration, rounds: int, console: Console) -> dict[str, list[Measured]]:
    model = resolve_model(c.learner.model)
    found: dict[str, list[Measured]] = {name: [] for name in SIDES}
    threads = (cores(c), None)
    async with AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(opened(c, c.learner.episodes_per_update, console, count))
            for name, count in zip(SIDES, threads, strict=True)
        }
        with progress(console, "iteration") as report:
            for number in range(rounds):
                for place, (name, iteration) in enumerate(SIDES.items()):
                    share = (number + place / len(SIDES)) / rounds
                    report(share, f"{name}, round {number + 1} of {rounds}")
                    found[name].append(await iteration(c, model, sides[name]))
    return found


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "iteration", BenchmarkFlags, TRANSCRIPTS), Console()
    outcome = Outcome("iteration", argv, line.flags)
    # As learner and model servers do.
    keep_freed_memory()
    found = asyncio.run(compared(line.configuration, line.flags.rounds, console))
    title = f"seconds, median of {line.flags.rounds}"
    table = Table(title, "play", "update", "new version", "together", "turns played")
    for name, rounds in found.items():
        parts = (median(getattr(one, part) for one in rounds) for part in ("play", "update", "push", "total"))
        turns = ", ".join(str(one.turns) for one in rounds)
        table.add_row(name, *(f"{seconds:.1f}" for seconds in parts), turns)
    theirs, own = found.values()
    ratios = [one.per_turn / other.per_turn for one, other in zip(theirs, own, strict=True)]
    figure = Figure("time per turn played, the authors' schedule / ours", median(ratios), GOAL)
    outcome.show(table, f"each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}", figures=[figure])
    return 0


if __name__ == "__main__":
    main(run)
