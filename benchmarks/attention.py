"""`bazel run //benchmarks:attention`: attention on a CPU, computed as we do and as torch does.

Prompts, if the processor multiplies in bfloat16: our products against torch's fused kernel, for the last N of
L positions; forward, as a server does, and with the backward pass, as the learner does. Running sequences, in
the engine's number format: each alone, against one call for all, which computes as many positions for each as
the longest has. All have the heads of the bundled model and one core. On a GPU, the engine does neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import LlamaConfig

from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, parse
from configuration.syntax import NoSections, Syntax
from core import cpu
from core.progress import progress
from serving.embedded.attention import Step, slot_attention
from serving.embedded.kv_cache import KvCache
from serving.model import compute_dtype
from serving.suffix_attention import suffix_attention

KEY_HEADS, GROUPS, SIZE = 3, 3, 64
"""Heads of SmolLM2-135M."""
CONTEXT = 4096
RUNNING = ((4, 600, 900), (8, 600, 2700), (16, 600, 2850), (16, 100, 400))
"""Number of running sequences, and the lengths of the shortest and the longest; the others lie between."""
LENGTHS = ((30, 600), (100, 1000), (400, 1500), (400, 3000), (1000, 1000), (2000, 2000))
"""N and L: the additions of a turn to a transcript, and whole prompts."""
_LAYERS = 4
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    rounds: int = Field(5, ge=1)
    """Number of rounds, the best of which counts."""


SYNTAX = Syntax("attention", NoSections, BenchmarkFlags, "Attention of prompts, and of running sequences.")


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


def running_milliseconds(count: int, least: int, most: int, rounds: int) -> tuple[float, float]:
    """Milliseconds of a call for all running sequences, and of one for each."""
    dtype, device = compute_dtype("auto"), torch.device("cpu")
    heads = KEY_HEADS * GROUPS
    config = LlamaConfig(
        hidden_size=heads * SIZE,
        num_attention_heads=heads,
        num_key_value_heads=KEY_HEADS,
        num_hidden_layers=_LAYERS,
        head_dim=SIZE,
    )
    cache = KvCache(config, count, CONTEXT, dtype, device)
    for layer in range(_LAYERS):
        cache.keys(layer).normal_()
        cache.values(layer).normal_()
    positions = [least + (most - least) * place // (count - 1) - 1 for place in range(count)]
    together = Step.of(cache, [0] * count, positions, [], dtype, device)
    alone = replace(together, spans=tuple(position + 1 for position in positions))
    inputs = [torch.randn(1, of, count, SIZE, dtype=dtype) for of in (heads, KEY_HEADS, KEY_HEADS)]
    layers: list[Any] = [SimpleNamespace(layer_idx=layer) for layer in range(_LAYERS)]

    def milliseconds(step: Step) -> float:
        # All layers in turn, so that keys and values come from memory, as in a model.
        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            return [slot_attention(each, query, key, value, None, 1.0, step=step)[0] for each in layers][-1]

        return 1e3 * seconds(attend, inputs, False, rounds) / _LAYERS

    return milliseconds(replace(together, spans=())), milliseconds(alone)


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


def prompts(rounds: int) -> tuple[Table, list[Figure]]:
    """The table of the prompts, and its figures."""
    table, figures = Table("N", "L", "forward: fused, ours, ms", "with backward: fused, ours, ms"), []
    generator = torch.Generator().manual_seed(0)
    with progress(Console(), "prompts") as report:
        for place, (count, total) in enumerate(LENGTHS):
            report(place / len(LENGTHS), f"{count} of {total}")
            shapes = (KEY_HEADS, GROUPS, count, SIZE), (KEY_HEADS, total, SIZE), (KEY_HEADS, total, SIZE)
            inputs = [
                torch.randn(shape, generator=generator).div(SIZE**0.25).bfloat16().requires_grad_()
                for shape in shapes
            ]
            cells = []
            for backward in (False, True):
                theirs = seconds(fused(count, total), inputs, backward, rounds)
                ours = seconds(suffix_attention, inputs, backward, rounds)
                cells.append(f"{1e3 * theirs:.2f}, {1e3 * ours:.2f} ({theirs / ours:.1f}×)")
                name = f"{count} of {total}{', with backward' if backward else ''}, fused / ours"
                figures.append(Figure(name, theirs / ours, 1.0))
            table.add_row(str(count), str(total), *cells)
    return table, figures


def running(rounds: int) -> tuple[Table, list[Figure]]:
    """The table of the running sequences, and its figures."""
    table, figures = Table("running", "positions", "together, alone, ms"), []
    with progress(Console(), "running sequences") as report:
        for place, (count, least, most) in enumerate(RUNNING):
            report(place / len(RUNNING), f"{count} of {least} to {most} positions")
            together, alone = running_milliseconds(count, least, most, rounds)
            cell = f"{together:.2f}, {alone:.2f} ({together / alone:.1f}×)"
            table.add_row(str(count), f"{least} to {most}", cell)
            name = f"{count} running, {least} to {most} positions, together / alone"
            figures.append(Figure(name, together / alone, 1.0))
    return table, figures


def run(argv: Sequence[str]) -> int:
    flags = parse(argv, SYNTAX).flags
    outcome = Outcome("attention", argv, flags)
    torch.set_num_threads(1)
    parts = [running(flags.rounds)]
    if cpu.multiplies_bfloat16():
        parts.insert(0, prompts(flags.rounds))
    outcome.show(*(table for table, _ in parts), figures=[each for _, figures in parts for each in figures])
    return 0


if __name__ == "__main__":
    main(run)
