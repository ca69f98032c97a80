"""Watches the learner until it has finished or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import HiperError
from trajectory.learner_status import LearnerStatus, Phase


class LearnerFailedError(HiperError):
    """The learner says that it cannot go on; what it acknowledged is kept."""


class Learner(Protocol):
    """Who is watched."""

    async def status(self) -> LearnerStatus: ...


@dataclass(frozen=True)
class Watch:
    """Asks the learner again and again what it is doing."""

    learner: Learner
    on_status: Callable[[LearnerStatus], None]
    period: float = 0.5
    """Seconds between two questions."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self) -> None:
        """Returns when all updates are made and published.

        Raises:
            LearnerFailedError: with the learner's own words.
        """
        while True:
            status = await self.learner.status()
            self.on_status(status)
            if status.phase is Phase.FAILED:
                raise LearnerFailedError(f"the learner has failed: {status.message}")
            if status.phase is Phase.FINISHED:
                return
            await self.sleep(self.period)
