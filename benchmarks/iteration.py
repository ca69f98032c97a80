"""`bazel run //benchmarks:iteration`: a whole iteration, compared with the schedule of the paper's authors.

An iteration plays a batch of episodes, updates both policies, and serves the new version. The other side is
made of the same parts: it plays in lock-step, updates with padded batches and three passes (log-probabilities
before the update, those of the reference, and the update), and serves by writing the merged weights and
loading them in new engines. Both sides play the same games with the same seeds, one after the other, in one
process.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM

from benchmarks.rollout import Opened, at_own_pace, in_lock_step, opened
from benchmarks.training import Work, ours, plain
from configuration.command import main, read
from configuration.section import Section
from configuration.tree import Configuration
from core.role import Role
from serving.engine import GenerationRequest
from serving.engines import make_engine
from serving.model import ModelFolder, compute_dtype, resolve_model

_KL = 0.01
"""The authors' coefficient of the KL term, which needs the pass of the reference."""
_FIRST = GenerationRequest((1, 2, 3, 4), 1, 1.0, 0, frozenset())
"""Request for the first token of a new version."""


class BenchmarkFlags(Section):
    """Options of this command."""

    rounds: int = 3
    """Number of iterations of each side, in turn."""


@dataclass(frozen=True)
class Measured:
    """Seconds of the parts of an iteration."""

    play: float
    update: float
    push: float

    @property
    def total(self) -> float:
        return self.play + self.update + self.push


async def our_iteration(c: Configuration, model: ModelFolder, playing: Opened) -> Measured:
    began = time.perf_counter()
    episodes = await at_own_pace(playing.games)
    played = time.perf_counter()
    update = ours(Work(c, model, episodes))
    loaded = time.perf_counter()
    update()
    updated = time.perf_counter()
    # Serves the previous adapter again, which is as large as the new one, so that both sides play alike.
    await playing.forget()
    for engine in playing.engines.values():
        await engine.generate(_FIRST)
    return Measured(played - began, updated - loaded, time.perf_counter() - updated)


async def their_iteration(c: Configuration, model: ModelFolder, playing: Opened) -> Measured:
    began = time.perf_counter()
    episodes = await in_lock_step(playing.games)
    played = time.perf_counter()
    ppo = c.ppo.model_copy(update={"kl_coefficient": c.ppo.kl_coefficient or _KL})
    update = plain(Work(c.model_copy(update={"ppo": ppo}), model, episodes), recompute=True)
    base = AutoModelForCausalLM.from_pretrained(model.path, dtype=compute_dtype(c.learner.dtype))
    loaded = time.perf_counter()
    update()
    updated = time.perf_counter()
    for role in Role:
        place = Path(tempfile.mkdtemp(prefix=f"hiper-merged-{role.value}-"))
        try:
            base.save_pretrained(place)
            engine = make_engine(ModelFolder(place, "merged", ""), c.model_server(role))
            await engine.start()
            await engine.generate(_FIRST)
            await engine.close()
        finally:
            shutil.rmtree(place)
    pushed = time.perf_counter()
    await playing.forget()
    return Measured(played - began, updated - loaded, pushed - updated)


SIDES = {"the authors' schedule": their_iteration, "ours": our_iteration}


async def compared(c: Configuration, rounds: int, console: Console) -> dict[str, list[Measured]]:
    model = resolve_model(c.learner.model)
    found: dict[str, list[Measured]] = {name: [] for name in SIDES}
    async with opened(c, c.learner.episodes_per_update, console) as playing:
        for number in range(rounds):
            for name, iteration in SIDES.items():
                with console.status(f"{name}, round {number + 1} of {rounds}"):
                    found[name].append(await iteration(c, model, playing))
    return found


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "iteration", BenchmarkFlags), Console()
    found = asyncio.run(compared(line.configuration, line.flags.rounds, console))
    table = Table("seconds, median", "play", "update", "new version", "together")
    for name, rounds in found.items():
        parts = (median(getattr(one, part) for one in rounds) for part in ("play", "update", "push", "total"))
        table.add_row(name, *(f"{seconds:.1f}" for seconds in parts))
    console.print(table)
    theirs, own = found.values()
    ratios = [one.total / other.total for one, other in zip(theirs, own, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    console.print(f"the authors' schedule takes {median(ratios):.2f} times as long ({spread})")
    return 0


if __name__ == "__main__":
    main(run)
