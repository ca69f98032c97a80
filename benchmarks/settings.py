"""The settings that the benchmarks of playing and learning measure with, unless others are given."""

from __future__ import annotations

from typing import Any

from orchestrator.rollout import FIRST_RUN

_MODEL: dict[str, Any] = {
    "prompt_format": "transcript",
    "history": 64,
    "context_length": 1536,
    "temperature": 0.6,
    "max_batch": 16,
}

TRANSCRIPTS: dict[str, Any] = {
    **FIRST_RUN,
    "environment": {**FIRST_RUN["environment"], "source": "generated"},
    "planner": _MODEL,
    "executor": _MODEL,
    "lora": {"last_layers": 12},
}
"""A first run's games, played by the shipped pair that reads transcripts (presets/alfworld_smollm2.toml).

The KL term is that of the default configuration, so that both sides of a comparison compute the reference.
"""
