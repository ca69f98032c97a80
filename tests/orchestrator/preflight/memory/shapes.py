"""A model so small that its numbers can be counted by hand."""

from __future__ import annotations

from orchestrator.preflight.memory.shapes import ModelShape

TINY = ModelShape(
    words=10,
    hidden=8,
    inner=12,
    layers=2,
    heads=4,
    key_heads=2,
    head_size=2,
    longest=256,
    tied=True,
    biased=False,
    normed_heads=False,
    source="by hand",
)
"""Numbers of a block: q and o 64 each, k and v 32 each, gate, up and down 96 each, which makes 480."""
