"""Decides which sequences are in the batch: continuous batching at the level of tokens."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from core.prefix import shared_length
from serving.engine import FinishReason, GenerationRequest, GenerationResult

_WORTH_WAITING = 64
"""Number of tokens that a prompt must share with one being computed, to wait a step and copy them."""


@dataclass(eq=False)
class Sequence:
    """A request that is in the batch or waiting for it."""

    request: GenerationRequest
    future: Future[GenerationResult]
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.request.seed)

    @property
    def position(self) -> int:
        """Position of the newest token."""
        return len(self.request.prompt_ids) + len(self.token_ids) - 1

    def next_uniform(self) -> float:
        """The next random number in [0, 1) of this request's own stream."""
        return self._random.random()

    def append(self, token: int, logprob: float) -> FinishReason | None:
        """Adds a sampled token; returns why the answer has ended, or None."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if token in self.request.stop_ids or tuple(self.token_ids) in self.request.complete_answers:
            return FinishReason.STOP
        return FinishReason.LENGTH if len(self.token_ids) >= self.request.max_new_tokens else None


class Scheduler:
    """The waiting and the running sequences; running sequence i occupies slot i."""

    def __init__(self, max_batch: int, prompt_tokens: int = 1024) -> None:
        """`prompt_tokens`: number of tokens of the prompts that are computed in a step, about."""
        self._max_batch, self._prompt_tokens = max_batch, prompt_tokens
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    def admit(self, copyable: Callable[[tuple[int, ...]], int]) -> list[Sequence]:
        """Takes the sequences whose prompts are computed in the next step out of the queue.

        A sequence that shares a long prefix with one of these waits one step, so that it can copy the prefix.

        Args:
            copyable: Returns the number of tokens of a prompt that can be copied now.
        """
        taken: list[Sequence] = []
        left: deque[Sequence] = deque()
        tokens = 0
        while self.waiting and len(self.running) + len(taken) < self._max_batch:
            candidate = self.waiting.popleft()
            known = copyable(candidate.request.prompt_ids)
            cost = len(candidate.request.prompt_ids) - known
            # The first one is always taken, however long, or it would wait for ever.
            if taken and tokens + cost > self._prompt_tokens:
                left.append(candidate)
                break
            if any(_shared(candidate, other) >= known + _WORTH_WAITING for other in taken):
                left.append(candidate)
                continue
            taken.append(candidate)
            tokens += cost
        # Back to the front of the queue in their order: they were first, and keep their turn.
        self.waiting.extendleft(reversed(left))
        return taken

    def remove(self, index: int) -> int | None:
        """Removes running sequence `index`, and moves the last one into its place.

        Returns:
            The earlier slot of the sequence that was moved, or None if none was.
        """
        last = len(self.running) - 1
        self.running[index] = self.running[last]
        self.running.pop()
        return last if index != last else None


def _shared(first: Sequence, second: Sequence) -> int:
    return shared_length(first.request.prompt_ids, second.request.prompt_ids)
