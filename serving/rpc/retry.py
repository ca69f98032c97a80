"""Calls that are tried again: for a bounded time, after jittered growing pauses."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from core.errors import ExhaustedError, UnavailableError

ResultT = TypeVar("ResultT")
Sleep = Callable[[float], Awaitable[None]]

WORTH_RETRYING = (UnavailableError, ExhaustedError)
"""A server that starts, drains, is full, slow or behind may answer later; nothing else changes by waiting."""


_MOST_GROWTH = 50
"""Exponent from which pauses grow no more: far beyond every bound, and far below what a float can hold."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long, and how long between."""

    patience: float
    """Seconds from the first try to the beginning of the last; with 0 there is only one."""
    first_pause: float = 0.25
    """Longest pause before the second attempt, in seconds."""
    growth: float = 2.0
    """Factor by which the longest pause grows with each attempt."""
    longest_pause: float = 5.0
    """Limit of all pauses in seconds."""
    seed: int = 0
    """Seed of the jitter."""
    sleep: Sleep = field(default=asyncio.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    """Seconds."""

    def pause(self, failures: int, jitter: random.Random) -> float:
        """Pause in seconds after that many failures: between half and all of the growing bound.

        The jitter keeps callers that failed at the same time from all retrying at the same time.
        """
        bound = min(self.longest_pause, self.first_pause * self.growth ** min(failures - 1, _MOST_GROWTH))
        return bound * (0.5 + 0.5 * jitter.random())


class Retrier:
    """Retries the calls of one client."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._jitter = random.Random(policy.seed)

    async def __call__(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The result of the first try that succeeds; the last error if none does within the patience."""
        policy, failures = self._policy, 0
        last_try = policy.clock() + policy.patience
        while True:
            try:
                return await call()
            except WORTH_RETRYING:
                failures += 1
                pause = policy.pause(failures, self._jitter)
                if policy.clock() + pause > last_try:
                    raise
            await policy.sleep(pause)
