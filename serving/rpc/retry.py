"""Retries calls a limited number of times, after growing pauses with random jitter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from core.errors import ExhaustedError, UnavailableError

ResultT = TypeVar("ResultT")
Sleep = Callable[[float], Awaitable[None]]

WORTH_RETRYING = (UnavailableError, ExhaustedError)
"""Errors after which a retry can help: the server is starting, shutting down or full."""


@dataclass(frozen=True)
class RetryPolicy:
    """Number of attempts, and the pauses between them."""

    attempts: int
    """Number of attempts, the first one included."""
    first_pause: float = 0.25
    """Longest pause before the second attempt, in seconds."""
    growth: float = 2.0
    """Factor by which the longest pause grows with each attempt."""
    longest_pause: float = 5.0
    """Limit of all pauses in seconds."""
    seed: int = 0
    """Seed of the jitter."""
    sleep: Sleep = field(default=asyncio.sleep, repr=False)

    def pause(self, failures: int, jitter: random.Random) -> float:
        """Pause in seconds after that many failures: between half and all of the growing bound.

        The jitter keeps callers that failed at the same time from all retrying at the same time.
        """
        # Without the limit on the exponent, the power overflows after a thousand failures.
        bound = min(self.longest_pause, self.first_pause * self.growth ** min(failures - 1, 100))
        return bound * (0.5 + 0.5 * jitter.random())


class Retrier:
    """Retries the calls of one client."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._jitter = random.Random(policy.seed)

    async def __call__(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The result of the first attempt that succeeds; raises the last error if none does."""
        for failures in range(1, self._policy.attempts):
            try:
                return await call()
            except WORTH_RETRYING:
                await self._policy.sleep(self._policy.pause(failures, self._jitter))
        return await call()
