"""What a model server asks of the code that runs its model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from core.errors import UnavailableError

BASE_VERSION = -1
"""Adapter version of the base model alone."""


class FinishReason(Enum):
    """Why an answer ended."""

    STOP = "stop"
    """A stop token was sampled, or the answer is complete as it stands."""
    LENGTH = "length"
    """The token limit was reached."""


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt to continue."""

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float
    """0 takes the most likely token; its log-probability is then that of temperature 1."""
    seed: int
    """Of this request's own random stream, so that its neighbours in a batch do not matter."""
    stop_ids: frozenset[int]
    """Sampling one of these ends the answer; it is part of it."""
    complete_answers: frozenset[tuple[int, ...]] = frozenset()
    """Answers that end as soon as all sampled tokens equal one of them, such as the tokens of `keep`."""


@dataclass(frozen=True)
class GenerationResult:
    """What was sampled, all of it from one adapter version."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the distribution it was drawn from."""
    adapter_version: int
    finish_reason: FinishReason


@dataclass(frozen=True)
class EngineCounters:
    """Tokens since the engine started."""

    generated_tokens: int
    prompt_tokens: int
    """Computed, those copied from a shared prefix left out."""
    shared_prompt_tokens: int
    """Copied from a shared prefix."""


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter that was staged and checked, ready to be switched to."""

    name: str
    """New for every version, such as `run/planner@42`: engines may reuse cached prefixes of a known name."""
    version: int
    folder: Path
    """PEFT folder: adapter_config.json and adapter_model.safetensors."""


class EngineFailedError(UnavailableError):
    """The engine can answer nothing any more; only a new process can."""


class Engine(Protocol):
    """Runs one base model with at most one adapter in force; many requests at once, decoded together."""

    @property
    def context_length(self) -> int: ...

    @property
    def counters(self) -> EngineCounters: ...

    async def start(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Samples an answer. Cancelling the call takes the request out of the batch.

        Raises:
            PromptTooLongError: prompt and answer do not fit the context.
            QueueFullError: too many requests wait already.
        """
        ...

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        """New requests are answered by this adapter (None: the base model alone) once this returns.

        Requests that run already end with the adapter they began with. If anything fails, the engine goes
        on with what it served.
        """
        ...

    async def failure(self) -> EngineFailedError:
        """Returns once the engine has failed for good, and says why; else waits for ever."""
        ...

    async def close(self) -> None: ...
