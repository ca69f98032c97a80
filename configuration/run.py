"""The `run` and `orchestrator` sections of the configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from configuration.section import Section


class RunSettings(Section):
    """The folder of a run, its seed, and where its metrics go."""

    dir: Path | None = None
    """Folder of the run; by default a new one under runs/."""
    resume: bool = False
    """Whether to resume the run in `dir`."""
    seed: int = Field(0, ge=0)
    """Seed from which every other seed of the run is derived."""
    tensorboard: bool = False
    """Whether to also write the metrics as TensorBoard event files, into the run's folder."""
    wandb: str | None = None
    """Project of Weights & Biases to which the metrics are also sent; needs the package wandb."""


class OrchestratorSettings(Section):
    """How the episodes of a run are played."""

    concurrency: int = Field(8, ge=1)
    """Number of episodes played at once, each at its own pace."""
    split: str = "train"
    """Split of the benchmark that tasks are drawn from."""
    call_seconds: float = Field(60.0, gt=0)
    """Seconds until a Plan or Act call reaches its deadline."""
    attempts: int = Field(4, ge=1)
    """Number of attempts at a call that fails with UNAVAILABLE or RESOURCE_EXHAUSTED, with growing pauses."""
    start_seconds: float = Field(180.0, gt=0)
    """Seconds in which a server must become healthy."""
