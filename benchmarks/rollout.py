"""`bazel run //benchmarks:rollout`: episodes played each at its own pace, compared with lock-step.

Both sides play the same games with the same seeds and the same model, one after the other, in one process,
with the same number of episodes at a time and the same cores. At their own pace, planner and executor compute
at the same time, each with its own threads; in lock-step, the one that computes has the threads of both. What
is sampled can differ in bfloat16, where the rest of a batch changes the last digits, and so can the number of
turns: therefore times per turn are compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from statistics import median

from pydantic import Field
from rich.console import Console
from rich.table import Table

from benchmarks.games import Games, opened
from benchmarks.lock_step import cores, in_lock_step
from benchmarks.results import Figure, Outcome, ResultFlags
from benchmarks.settings import TRANSCRIPTS
from configuration.command import main, read
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from core.progress import progress
from orchestrator.rollout import FIRST_RUN
from trajectory.episode import Episode

_MODEL = {**TRANSCRIPTS["planner"], "context_length": 4096}
BASE = {
    # ALFWorld's own limit, and its six task types, which the pair of the first run was taught.
    "environment": {"source": "generated", "step_limit": 50},
    "planner": _MODEL,
    "executor": _MODEL,
    "lora": FIRST_RUN["lora"],
}
GOAL = 2.0
Play = Callable[[Games], Awaitable[list[Episode]]]


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    episodes: int = Field(16, ge=1)
    """Number of episodes that each side plays in a round; a multiple of `orchestrator.concurrency`."""
    rounds: int = Field(1, ge=1)
    """Number of times that both sides play, in turn."""
    lock_step_threads: int | None = Field(None, ge=1)
    """Number of CPU threads of each engine in lock-step; none means those of both together."""


async def at_own_pace(games: Games) -> list[Episode]:
    """As a run plays: whenever an episode ends, the next one begins."""
    left, episodes = iter(range(len(games.tasks))), []

    async def worker() -> None:
        for number in left:
            episodes.append(await games.play(number, games.planner, games.executor))

    await asyncio.gather(*(worker() for _ in range(games.at_once)))
    return episodes


@dataclass(frozen=True)
class Measured:
    """Time and result of playing all episodes once."""

    seconds: float
    turns: int
    won: int

    @property
    def per_turn(self) -> float:
        return self.seconds / self.turns


async def measured(play: Play, games: Games) -> Measured:
    began = time.perf_counter()
    episodes = await play(games)
    seconds = time.perf_counter() - began
    return Measured(seconds, sum(len(one.turns) for one in episodes), sum(one.won for one in episodes))


async def compared(c: Configuration, flags: BenchmarkFlags, console: Console) -> dict[str, list[Measured]]:
    """Both sides in turn, as often as there are rounds."""
    async with AsyncExitStack() as stack:
        threads = {"lock-step": flags.lock_step_threads or cores(c), "own pace": None}
        plays: dict[str, Play] = {"lock-step": in_lock_step, "own pace": at_own_pace}
        sides = {
            name: await stack.enter_async_context(opened(c, flags.episodes, console, threads[name]))
            for name in plays
        }
        found: dict[str, list[Measured]] = {name: [] for name in plays}
        with progress(console, "rollout") as report:
            done, total = 0, flags.rounds * len(plays) * flags.episodes

            def ended() -> None:
                nonlocal done
                done += 1
                report(done / total, f"episode {done} of {total}")

            for _ in range(flags.rounds):
                for name, play in plays.items():
                    found[name].append(await measured(play, replace(sides[name].games, ended=ended)))
                    # The next round must not find the prompts of this one.
                    await sides[name].forget()
    return found


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "rollout benchmark", BenchmarkFlags, BASE), Console()
    c, flags = line.configuration, line.flags
    outcome = Outcome("rollout", argv, flags)
    # As model servers do.
    keep_freed_memory()
    found = asyncio.run(compared(c, flags, console))
    title = f"{flags.episodes} episodes of at most {c.environment.step_limit} turns"
    table = Table(
        "", "seconds", "turns", "turns/s", "won", title=f"{title}, {c.orchestrator.concurrency} at once"
    )
    for name, rounds in found.items():
        seconds, turns = median(one.seconds for one in rounds), median(one.turns for one in rounds)
        won = ", ".join(str(one.won) for one in rounds)
        table.add_row(name, f"{seconds:.1f}", f"{turns:.0f}", f"{turns / seconds:.1f}", won)
    slow, fast = found.values()
    ratios = [one.per_turn / other.per_turn for one, other in zip(slow, fast, strict=True)]
    spread = f"each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    outcome.show(table, spread, figures=[Figure("time per turn, lock-step / own pace", median(ratios), GOAL)])
    return 0


if __name__ == "__main__":
    main(run)
