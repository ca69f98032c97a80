"""The `run` and `orchestrator` sections of the configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from configuration.section import Section


class RunSettings(Section):
    """What a run is called, where it is kept, what it starts from."""

    dir: Path | None = None
    """Folder of the run; a new one under runs/ unless given."""
    resume: bool = False
    """Goes on with the run in `dir`."""
    seed: int = Field(0, ge=0)
    """From which every other seed of the run follows."""
    tensorboard: bool = False
    """Writes the metrics as TensorBoard event files into the run's folder, too."""
    wandb: str | None = None
    """Project of Weights & Biases that the metrics go to, too; needs the package wandb."""


class OrchestratorSettings(Section):
    """How episodes are played."""

    concurrency: int = Field(8, ge=1)
    """Episodes played at once, each at its own pace."""
    split: str = "train"
    """Split of the benchmark that tasks are drawn from."""
    call_seconds: float = Field(60.0, gt=0)
    """Deadline of a Plan or Act call."""
    attempts: int = Field(4, ge=1)
    """Tries of a call that fails with UNAVAILABLE or RESOURCE_EXHAUSTED, with growing pauses between."""
    start_seconds: float = Field(180.0, gt=0)
    """Time for a server to become healthy."""
