"""An engine that answers with stored tokens, and remembers how it would have answered."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace

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
    thought: int = 0
    """Number of its tokens that belong to a thought before the answer."""


class ForcedEngine:
    """Implements `serving.engine.Engine` for one answer at a time, which `expect` sets.

    With `thinks`, an answer takes two requests, as in `serving.sampler.Sampler`: the first one is for the
    thought before it.
    """

    def __init__(self, scorer: Scorer, context_length: int, thinks: bool = False) -> None:
        self._scorer = scorer
        self._context_length = context_length
        self._thinks = thinks
        self._stored: Generation | None = None
        self._adapter: LoadedAdapter | None = None
        self.forced: Forced | None = None
        """The requests since `expect`; None if nothing was sampled."""

    def expect(self, stored: Generation, adapter: LoadedAdapter | None) -> None:
        """Sets the next answer, and the adapter that gives it."""
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
        if self._stored is None:
            raise PreconditionError("there is no stored answer to this call")
        thinks_first = self._thinks and self.forced is None
        before = self.forced or Forced(Scored((), (), ()), "")
        part = _after(self._stored, before.thought)
        count, reason = _end(request, part.token_ids)
        if thinks_first:
            part = replace(part, token_ids=part.token_ids[:count])
        scored = before.scored
        if part.token_ids:
            scored += self._scorer.score(part, self._adapter, request.seed)
        end = _wrong_end(before.thought, count, len(part.token_ids), reason)
        self.forced = Forced(scored, before.end or end, count if thinks_first else before.thought)
        logprobs = scored.logprobs[before.thought :]
        return GenerationResult(part.token_ids, logprobs, self._adapter, reason or FinishReason.STOP)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        self._adapter = adapter

    async def failure(self) -> EngineFailedError:
        raise NotImplementedError("a replay does not wait for failures")

    async def close(self) -> None:
        """Does nothing: there is no thread."""


def _after(stored: Generation, count: int) -> Generation:
    """The answer from a token on, with the tokens before it as the end of the prompt."""
    prompt_ids = stored.prompt_ids + stored.token_ids[:count]
    return replace(stored, prompt_ids=prompt_ids, token_ids=stored.token_ids[count:])


def _end(request: GenerationRequest, token_ids: tuple[int, ...]) -> tuple[int, FinishReason | None]:
    """Number of tokens after which the answer ends, and why; all of them and None if it does not end."""
    sequence: Sequence = Sequence(request, Future())
    for count, token in enumerate(token_ids, start=1):
        if reason := sequence.append(token, 0.0):
            return count, reason
    return len(token_ids), None


def _wrong_end(before: int, count: int, stored: int, reason: FinishReason | None) -> str:
    """A description of an end after `count` tokens that is not the stored one; an empty text if it is.

    All numbers of tokens are without the `before` that precede them.
    """
    if reason is None:
        return f"the answer does not end after {before + stored} tokens"
    return f"the answer ends after {before + count} tokens" if count < stored else ""
