"""Calls that are tried again: a bounded number of times, after jittered growing pauses."""

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
"""A server that starts, drains or is full may answer a moment later; nothing else changes by waiting."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and how long between."""

    attempts: int
    """Tries in all."""
    first_pause: float = 0.25
    """Seconds before the second try at most."""
    growth: float = 2.0
    longest_pause: float = 5.0
    """Seconds."""
    seed: int = 0
    """Of the jitter."""
    sleep: Sleep = field(default=asyncio.sleep, repr=False)

    def pause(self, failures: int, jitter: random.Random) -> float:
        """Seconds after that many failures: between half and all of the growing bound.

        The jitter keeps callers that failed together from coming back together.
        """
        bound = min(self.longest_pause, self.first_pause * self.growth ** (failures - 1))
        return bound * (0.5 + 0.5 * jitter.random())


class Retrier:
    """Tries the calls of one client."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._jitter = random.Random(policy.seed)

    async def __call__(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The result of the first try that succeeds; the last error where none does."""
        for failures in range(1, self._policy.attempts):
            try:
                return await call()
            except WORTH_RETRYING:
                await self._policy.sleep(self._policy.pause(failures, self._jitter))
        return await call()
