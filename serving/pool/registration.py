"""Registers a model server with the learner, again and again for as long as it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from core.errors import HiperError
from core.together import cancelled
from trajectory.pool import Replica

log = logging.getLogger(__name__)

_FAREWELL_SECONDS = 1.0
"""Time that a server which is to drain waits until the learner knows."""


@dataclass
class Registration:
    """The heartbeat of a model server."""

    describe: Callable[[], Replica]
    """Function that describes the server as it is now."""
    register: Callable[[Replica], Awaitable[float]]
    """Function that registers it once; returns the seconds until it should be called again."""
    seconds: float
    """Time between two calls until the learner has said another."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    _said: str = field(default="", init=False, repr=False)
    """The last message in the log."""

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Registers the server during the block; at its end, says that it drains."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            await cancelled(keeping)
            await self._say_farewell()

    async def _keep(self) -> None:
        while True:
            await self._once(draining=False)
            await self.sleep(self.seconds)

    async def _say_farewell(self) -> None:
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._once(draining=True)
        except TimeoutError:
            log.info("the learner does not answer: it is not told that this server drains")

    async def _once(self, draining: bool) -> None:
        try:
            replica = replace(self.describe(), draining=draining)
            self.seconds = await self.register(replica)
        except HiperError as error:
            self._say(logging.WARNING, f"not registered, and tried again: {error}")
        except Exception:  # A server that stopped to register would be lost to its run while it serves.
            log.exception("not registered, and tried again")
        else:
            self._say(logging.INFO, f"registered as {replica.address}")

    def _say(self, level: int, message: str) -> None:
        """Logs a message unless it is the same as before."""
        if message != self._said:
            self._said = message
            log.log(level, message)
