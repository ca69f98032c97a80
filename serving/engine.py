"""The interface between a model server and the engine that runs its model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from core.errors import UnavailableError
from core.role import Role

BASE_VERSION = -1
"""Adapter version of the base model alone."""


class FinishReason(Enum):
    """Why an answer ended."""

    STOP = "stop"
    """A stop token was sampled, or the answer is one of the complete ones."""
    LENGTH = "length"
    """The token limit was reached."""


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt to continue."""

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float
    """Sampling temperature; 0 takes the most likely token, with its log-probability at temperature 1."""
    seed: int
    """Seed of this request's own random stream, so that the result does not depend on the rest of the
    batch."""
    stop_ids: frozenset[int]
    """Tokens that end the answer; the sampled one is part of it."""
    complete_answers: frozenset[tuple[int, ...]] = frozenset()
    """Answers that end without a stop token as soon as they have been sampled, such as the tokens of
    `keep`."""


@dataclass(frozen=True)
class GenerationResult:
    """A sampled answer, all of it by one adapter version."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the distribution it was drawn from."""
    adapter: LoadedAdapter | None
    """What sampled all of it; None for the base model alone."""
    finish_reason: FinishReason

    @property
    def adapter_version(self) -> int:
        return self.adapter.version if self.adapter else BASE_VERSION


@dataclass(frozen=True)
class EngineCounters:
    """Numbers of tokens since the engine started."""

    generated_tokens: int
    prompt_tokens: int
    """Number of prompt tokens that were computed."""
    shared_prompt_tokens: int
    """Number of prompt tokens that were copied from an earlier prompt with the same prefix."""


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter on disk that has been checked and can be switched to."""

    name: str
    """Name such as `run/planner@42`, new for every version: engines may reuse cached prefixes of a known
    name."""
    version: int
    folder: Path
    """PEFT folder: adapter_config.json and adapter_model.safetensors."""
    run_id: str = ""
    epoch: int = 0
    """Adapters of a run are ordered by epoch, then by version."""
    sha256: bytes = b""

    @classmethod
    def of_run(
        cls, run_id: str, role: Role, epoch: int, version: int, folder: Path, sha256: bytes
    ) -> LoadedAdapter:
        """An adapter of a run, whose name no other one of this run, role, epoch and version has."""
        return cls(f"{run_id}/{role.value}@{epoch}.{version}", version, folder, run_id, epoch, sha256)


class EngineFailedError(UnavailableError):
    """The engine has failed for good; only a new process can answer again."""


class Engine(Protocol):
    """Runs one base model with at most one adapter; decodes many requests together."""

    @property
    def context_length(self) -> int: ...

    @property
    def counters(self) -> EngineCounters: ...

    @property
    def adapter(self) -> LoadedAdapter | None:
        """What answers new requests now; None for the base model alone."""
        ...

    async def start(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Samples an answer. Cancelling the call removes the request from the batch.

        Raises:
            PromptTooLongError: prompt and answer do not fit into the context.
            QueueFullError: too many requests are waiting already.
        """
        ...

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        """Switches to an adapter, or to the base model alone (None), for all requests after it returns.

        Running requests are completed with the adapter that they were started with. If anything fails, the
        engine continues with the adapter that it had.
        """
        ...

    async def failure(self) -> EngineFailedError:
        """Waits until the engine has failed for good or is stuck, and returns the reason."""
        ...

    async def close(self) -> None: ...


class SleepableEngine(Engine, Protocol):
    """An engine that can give up its memory on the GPU for a while; see `serving.sleep`."""

    async def fall_asleep(self) -> None:
        """Gives up all memory that `wake_up` can fill again; called while no request is running or switching.

        Until `wake_up`, nothing else is called but `close`.
        """
        ...

    async def wake_up(self) -> None:
        """Computes again, with the adapter that it had; whatever it kept of earlier prompts is lost."""
        ...
