"""The `run` and `orchestrator` sections of the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from configuration.section import Section

_COLLECTOR = re.compile(r"https?://[^\s/:]+:\d{1,5}/?|https?://\[[0-9a-fA-F:]+\]:\d{1,5}/?")


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
    wandb: str | None = Field(None, min_length=1)
    """Project of Weights & Biases to which the metrics are also sent; needs the package wandb."""
    trackio: str | None = Field(None, min_length=1)
    """Project of Trackio to which the metrics are also written; needs the package trackio."""
    trace: str | None = None
    """URL of an OpenTelemetry collector, such as http://127.0.0.1:4317, to which a trace of each episode is
    sent; needs HIPER_EXTRAS=otel."""

    @field_validator("trace")
    @classmethod
    def _trace_is_a_url(cls, given: str | None) -> str | None:
        if given is not None and not _COLLECTOR.fullmatch(given):
            raise ValueError("accepted is http://host:port, or https://host:port with TLS")
        return given


class OrchestratorSettings(Section):
    """How the episodes of a run are played."""

    concurrency: int = Field(8, ge=1)
    """Number of episodes played at once, each at its own pace."""
    split: str = Field("train", min_length=1)
    """Split of the benchmark that tasks are drawn from."""
    call_seconds: float = Field(60.0, gt=0)
    """Seconds until one try of a call reaches its deadline."""
    patience_seconds: float = Field(300.0, ge=0)
    """Seconds in which a call is tried again, with growing pauses, while its server is away, full, too slow
    or behind with its adapter."""
    start_seconds: float = Field(180.0, gt=0)
    """Seconds in which a server must become healthy."""

    @model_validator(mode="before")
    @classmethod
    def _patience_in_place_of_attempts(cls, given: Any) -> Any:
        if isinstance(given, dict) and "attempts" in given:
            raise ValueError(
                "orchestrator.attempts has been replaced: write orchestrator.patience_seconds, the seconds "
                "in which a call is tried again (default 300)"
            )
        return given


class PoolSettings(Section):
    """How the servers of a role form a pool."""

    heartbeat_seconds: float = Field(2.0, gt=0)
    """Seconds between two reports of a model server to the learner."""
    expiry_seconds: float = Field(6.0, gt=0)
    """Seconds without a report after which a server counts as gone."""
    min_ready: int = Field(1, ge=1)
    """Number of servers of each role that must hold a new version before it counts as published."""
    grace_seconds: float = Field(30.0, ge=0)
    """Seconds that the other servers get to take a new version before the run continues without them."""
    patience_seconds: float = Field(300.0, gt=0)
    """Seconds without a ready server of a role after which the run ends."""
    restarts: int = Field(5, ge=0)
    """Number of times in a row that a server which the run started is started again after it died. A server
    that has served for `steady_seconds` begins to count anew."""
    steady_seconds: float = Field(60.0, gt=0)
    """Seconds for which a server must have run before its next death counts as the first."""
