"""The configuration of the simulated runs."""

from __future__ import annotations

from typing import Any

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.run import OrchestratorSettings, PoolSettings, RunSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from configuration.tree import Configuration

BATCH = 8
"""Answers that a server makes together, and episodes per server."""


def configuration(seed: int, episodes: int) -> Configuration:
    """ALFWorld with transcripts as prompts, so that each prompt continues the one before.

    Args:
        seed: Seed of the run.
        episodes: Number of episodes at the same time.
    """
    server: dict[str, Any] = {
        "prompt_format": "transcript",
        "history": 50,
        "context_length": 2048,
        "max_batch": BATCH,
        "max_new_tokens": 12,
    }
    return Configuration(
        run=RunSettings(seed=seed),
        environment=EnvironmentSettings(
            source="generated",
            step_limit=20,
            generator=GeneratorSettings(games=24, horizon="short"),
        ),
        planner=PlannerSettings(**server),
        executor=ModelServerSettings(**server),
        orchestrator=OrchestratorSettings(concurrency=episodes),
        pool=PoolSettings(grace_seconds=600.0),
    )
