"""Watches the learner until it has finished or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import HiperError
from trajectory.learner_status import LearnerStatus, Phase


class LearnerFailedError(HiperError):
    """The learner reports that it has failed; the episodes that it acknowledged are kept."""


class Learner(Protocol):
    """The learner as far as it is watched."""

    async def status(self) -> LearnerStatus: ...


@dataclass(frozen=True)
class Watch:
    """Asks the learner for its status at regular intervals."""

    learner: Learner
    on_status: Callable[[LearnerStatus], None]
    """Callback for each status."""
    period: float = 0.5
    """Seconds between two requests."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self) -> None:
        """Watches until all updates have been made and published.

        Raises:
            LearnerFailedError: the learner has failed; gives its message.
        """
        while True:
            status = await self.learner.status()
            self.on_status(status)
            if status.phase is Phase.FAILED:
                raise LearnerFailedError(f"the learner has failed: {status.message}")
            if status.phase is Phase.FINISHED:
                return
            await self.sleep(self.period)
