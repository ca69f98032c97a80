"""An engine that answers with stored tokens, and remembers how it would have answered."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import torch

from core.errors import PreconditionError
from orchestrator.replaying.scoring import Scored, Scorer
from serving.embedded.scheduler import Sequence
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from trajectory.episode import Generation


@dataclass(frozen=True)
class Forced:
    """A request of the replay, and the stored answer computed again."""

    scored: Scored
    end: str
    """Description of where the answer would have ended, if it is not the stored end; else empty."""


class ForcedEngine:
    """Implements `serving.engine.Engine` for one call at a time: each is answered as `expect` was told."""

    def __init__(self, scorer: Scorer, context_length: int) -> None:
        self._scorer = scorer
        self._context_length = context_length
        self._stored: Generation | None = None
        self._adapter: LoadedAdapter | None = None
        self.forced: Forced | None = None
        """The last request since `expect`; None if nothing was sampled."""

    def expect(self, stored: Generation, adapter: LoadedAdapter | None) -> None:
        """Sets the answer to the next call, and the adapter that gives it."""
        self._stored, self._adapter, self.forced = stored, adapter, None

    @property
    def dtype(self) -> torch.dtype:
        """Number format that it computes in."""
        return self._scorer.dtype

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def counters(self) -> EngineCounters:
        return EngineCounters(0, 0, 0)

    @property
    def adapter(self) -> LoadedAdapter | None:
        return self._adapter

    async def start(self) -> None:
        """Does nothing: the model is loaded."""

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """The stored answer, with log-probabilities that are computed from the stored prompt.

        The prompt of the request is not used, so that a difference in it does not hide one in the model.
        """
        stored = self._stored
        if stored is None:
            raise PreconditionError("there is no stored answer to this call")
        scored = self._scorer.score(stored, self._adapter, request.seed)
        end, reason = _end(request, stored)
        self.forced = Forced(scored, end)
        return GenerationResult(stored.token_ids, scored.logprobs, self._adapter, reason)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        self._adapter = adapter

    async def failure(self) -> EngineFailedError:
        raise NotImplementedError("a replay does not wait for failures")

    async def close(self) -> None:
        """Does nothing: there is no thread."""


def _end(request: GenerationRequest, stored: Generation) -> tuple[str, FinishReason]:
    """A description of a wrong end, or an empty text, and why the stored answer has ended."""
    sequence: Sequence = Sequence(request, Future())
    for count, token in enumerate(stored.token_ids, start=1):
        if reason := sequence.append(token, 0.0):
            early = count < len(stored.token_ids)
            return (f"the answer ends after {count} tokens" if early else ""), reason
    return f"the answer does not end after {len(stored.token_ids)} tokens", FinishReason.STOP
