"""Waiting, in several tasks, for a condition that other tasks bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """Wakes everybody who waits each time that something may have changed. Used in one event loop."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something may have changed."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        """Returns once the condition is met, looked at again at each ring, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._rung.wait()
