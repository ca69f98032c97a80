"""Times the computation of advantages against a plain loop over turns with the same equations and batches."""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.literal import LiteralEpisode, episodes_of, literal_hae
from hae import EstimatorSettings, TurnBatch, estimate

SETTINGS = EstimatorSettings(gamma=0.99, lambda_turn=0.95, bootstrap="last", normalize=False)


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
    columns = ("reward", "switch", "value_low", "value_high", "value_switch", "action_valid")
    return replace(episode, **{name: torch.tensor(getattr(episode, name)) for name in columns})


def rebuilt(batch: TurnBatch) -> TurnBatch:
    """A copy of the batch, which is checked again on construction."""
    return replace(batch)


def add_row(table: Table, name: str, batch: TurnBatch, *, tensors: bool) -> None:
    lists, arrays = episodes_of(batch), episodes_of(batch, as_lists=False)
    ours = seconds(lambda: estimate(batch, SETTINGS))
    checked = seconds(lambda: estimate(rebuilt(batch), SETTINGS))
    loops = [lists, arrays, [in_torch(episode) for episode in lists] if tensors else None]
    times = [loop and seconds(lambda loop=loop: literal_hae(loop, SETTINGS)) for loop in loops]
    table.add_row(
        name,
        f"{batch.turns:,}",
        f"{1e3 * ours:.3f}",
        f"{1e3 * checked:.3f}",
        f"{1e9 * ours / batch.turns:.0f}",
        *(f"{1e3 * time:.1f} ({time / ours:.0f}×)" if time else "" for time in times),
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="hae", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the batches")
    seed = parser.parse_args(arguments).seed
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    table = Table(title=f"Hierarchical advantages, three levels; seed {seed}")
    for column in ("episodes × turns", "turns", "ours, ms", "with checks, ms", "ours, ns a turn"):
        table.add_column(column, justify="right")
    for holder in ("Python lists", "numpy arrays", "torch tensors"):
        table.add_column(f"loop over {holder}, ms", justify="right")
    add_row(table, "128 × 50", batch_of(np.full(128, 50), seed), tensors=True)
    add_row(table, "128 × 1…100", batch_of(rng.integers(1, 101, size=128), seed), tensors=True)
    for episodes in (1_000, 10_000):
        ragged = rng.integers(1, 101, size=episodes)
        add_row(table, f"{episodes:,} × 1…100", batch_of(ragged, seed), tensors=False)
    Console(width=150).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
