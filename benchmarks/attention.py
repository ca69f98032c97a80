"""`bazel run //benchmarks:attention`: attention of prompts in bfloat16, our products against torch's kernel.

Both compute the last N of L positions with the heads of the bundled model, on one core: forward, as a server
does, and with the backward pass, as the learner does. On a GPU, neither uses our products.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, parse
from configuration.syntax import NoSections, Syntax
from core.progress import progress
from serving.suffix_attention import suffix_attention

KEY_HEADS, GROUPS, SIZE = 3, 3, 64
"""Heads of SmolLM2-135M."""
LENGTHS = ((30, 600), (100, 1000), (400, 1500), (400, 3000), (1000, 1000), (2000, 2000))
"""N and L: the additions of a turn to a transcript, and whole prompts."""
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    rounds: int = Field(5, ge=1)
    """Number of rounds, the best of which counts."""


SYNTAX = Syntax("attention", NoSections, BenchmarkFlags, "Attention of prompts in bfloat16.")


def fused(count: int, total: int) -> Attention:
    """torch's kernel, for queries [key head, group, N, size]."""
    mask = torch.ones(count, total, dtype=torch.bool).tril(total - count)

    def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        heads = query.reshape(1, KEY_HEADS * GROUPS, count, SIZE)
        output = scaled_dot_product_attention(
            heads, keys[None], values[None], attn_mask=mask, scale=1.0, enable_gqa=True
        )
        return output.view(query.shape)

    return attend


def seconds(attend: Attention, inputs: Sequence[Tensor], backward: bool, rounds: int) -> float:
    """Seconds of a call, the best of all rounds."""
    best = float("inf")
    for _ in range(rounds + 1):
        began = time.perf_counter()
        with torch.set_grad_enabled(backward):
            output = attend(*inputs)
        if backward:
            torch.autograd.grad(output.sum(), inputs)
        best = min(best, time.perf_counter() - began)
    return best


def run(argv: Sequence[str]) -> int:
    flags = parse(argv, SYNTAX).flags
    outcome = Outcome("attention", argv, flags)
    torch.set_num_threads(1)
    table, figures = Table("N", "L", "forward: fused, ours, ms", "with backward: fused, ours, ms"), []
    generator = torch.Generator().manual_seed(0)
    with progress(Console(), "attention") as report:
        for place, (count, total) in enumerate(LENGTHS):
            report(place / len(LENGTHS), f"{count} of {total}")
            shapes = (KEY_HEADS, GROUPS, count, SIZE), (KEY_HEADS, total, SIZE), (KEY_HEADS, total, SIZE)
            inputs = [
                torch.randn(shape, generator=generator).div(SIZE**0.25).bfloat16().requires_grad_()
                for shape in shapes
            ]
            cells = []
            for backward in (False, True):
                theirs = seconds(fused(count, total), inputs, backward, flags.rounds)
                ours = seconds(suffix_attention, inputs, backward, flags.rounds)
                cells.append(f"{1e3 * theirs:.2f}, {1e3 * ours:.2f} ({theirs / ours:.1f}×)")
                name = f"{count} of {total}{', with backward' if backward else ''}, fused / ours"
                figures.append(Figure(name, theirs / ours, 1.0))
            table.add_row(str(count), str(total), *cells)
    outcome.show(table, figures=figures)
    return 0


if __name__ == "__main__":
    main(run)
