"""`bazel run //benchmarks:hae`: times advantages against a plain loop over turns with the same equations.

The loop over torch tensors indexes them element by element, as code for trajectories of turns often does.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.literal import LiteralEpisode, episodes_of, literal_hae
from benchmarks.literal_dgae import literal_dgae
from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, parse
from configuration.syntax import NoSections, Syntax
from core.progress import progress
from hae import EstimatorSettings, TurnBatch, estimate

SETTINGS = EstimatorSettings(gamma=0.99, lambda_turn=0.95, bootstrap="last", normalize=False)
GOAL, GOAL_SIZE = 1000.0, "128 × 50"
LOOPS: dict[str, Callable[..., object]] = {"hae": literal_hae, "dgae": literal_dgae}
"""Loop over turns, or over decisions, of each estimator that is timed."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    seed: int = 0
    """Seed of the batches."""


SYNTAX = Syntax("hae", NoSections, BenchmarkFlags, "Times advantages against plain loops over turns.")


def batch_of(lengths: np.ndarray, seed: int) -> TurnBatch:
    """Random rewards and values; a fifth of the turns switch, half of the episodes are truncated."""
    rng = np.random.default_rng(seed)
    turns = int(lengths.sum())
    return TurnBatch(
        episode_offsets=np.concatenate(([0], np.cumsum(lengths))),
        reward=rng.normal(size=turns),
        switch=rng.random(turns) < 0.2,
        terminated=rng.random(len(lengths)) < 0.5,
        value_low=rng.normal(size=turns),
        value_high=rng.normal(size=turns),
        value_switch=rng.normal(size=turns),
        action_valid=rng.random(turns) < 0.9,
    )


def seconds(work: Callable[[], object], at_least: float = 0.2) -> float:
    """Seconds of a run: the best of five means, each over runs that take a fifth of `at_least` together."""
    once = min(timeit.repeat(work, number=1, repeat=2))
    number = max(1, int(at_least / 5 / once))
    return min(timeit.repeat(work, number=number, repeat=5)) / number


def in_torch(episode: LiteralEpisode) -> LiteralEpisode:
    """The episode with tensors for columns, over whose elements the literal estimator loops."""
    columns = ("reward", "switch", "value_low", "value_high", "value_switch", "action_valid")
    tensors: dict[str, Any] = {name: torch.tensor(getattr(episode, name)) for name in columns}
    return replace(episode, **tensors)


def rebuilt(batch: TurnBatch) -> TurnBatch:
    """A copy of the batch, which is validated again on construction."""
    return replace(batch)


def add_row(table: Table, name: str, estimator: str, batch: TurnBatch, *, tensors: bool) -> float | None:
    """Adds a row; returns how many times as long the loop over tensors takes, if it is timed."""
    settings = SETTINGS.model_copy(update={"estimator": estimator})
    lists, arrays = episodes_of(batch), episodes_of(batch, as_lists=False)
    ours = seconds(lambda: estimate(batch, settings))
    checked = seconds(lambda: estimate(rebuilt(batch), settings))
    loops = [lists, arrays, [in_torch(episode) for episode in lists] if tensors else None]
    times = [loop and seconds(partial(LOOPS[estimator], loop, settings)) for loop in loops]
    table.add_row(
        name,
        estimator,
        f"{batch.turns:,}",
        f"{1e3 * ours:.3f}",
        f"{1e3 * checked:.3f}",
        f"{1e9 * ours / batch.turns:.0f}",
        *(f"{1e3 * time:.1f} ({time / ours:.0f}×)" if time else "" for time in times),
    )
    return times[-1] / ours if times[-1] else None


def run(argv: Sequence[str]) -> int:
    flags = parse(argv, SYNTAX).flags
    outcome = Outcome("hae", argv, flags)
    torch.set_num_threads(1)
    rng = np.random.default_rng(flags.seed)
    table = Table(title=f"Advantages of three levels; seed {flags.seed}")
    for column in (
        "episodes × turns",
        "estimator",
        "turns",
        "ours, ms",
        "with checks, ms",
        "ours, ns per turn",
    ):
        table.add_column(column, justify="right")
    for holder in ("Python lists", "numpy arrays", "torch tensors"):
        table.add_column(f"loop over {holder}, ms", justify="right")
    lengths = {GOAL_SIZE: np.full(128, 50), "128 × 1…100": rng.integers(1, 101, size=128)}
    for episodes in (1_000, 10_000):
        lengths[f"{episodes:,} × 1…100"] = rng.integers(1, 101, size=episodes)
    figures = []
    with progress(Console(), "hae") as report:
        for place, (name, turns) in enumerate(lengths.items()):
            batch = batch_of(turns, flags.seed)
            for number, estimator in enumerate(LOOPS):
                report((place + number / len(LOOPS)) / len(lengths), f"{name}, {estimator}")
                ratio = add_row(table, name, estimator, batch, tensors=len(turns) == 128)
                if name == GOAL_SIZE and ratio is not None:
                    figures.append(
                        Figure(f"{estimator}, {name}, loop over torch tensors / ours", ratio, GOAL)
                    )
    outcome.show(table, figures=figures)
    return 0


if __name__ == "__main__":
    main(run)
