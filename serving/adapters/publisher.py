"""Sends adapters to a model server, and retries while it is not ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.errors import UnavailableError
from core.role import Role
from serving.adapters.sender import AdapterSender, Shipment, Target


class AdapterPublisher:
    """Pushes adapters to one server."""

    def __init__(self, target: Target, sender: AdapterSender, seconds: float, pause: float = 1.0) -> None:
        """`seconds` limits a push as a whole, with all attempts and the `pause`s between them."""
        self._target, self._sender = target, sender
        self._seconds, self._pause = seconds, pause

    async def publish(self, role: Role, version: int, folder: Path) -> None:
        """Pushes an adapter; returns once the server answers new calls with it.

        Raises:
            UnavailableError: the server could not be reached in time; names it.
            PreconditionError: the server refused the adapter, or answers with another one; says why.
            ClaimedError: another run has claimed the server; names it.
        """
        shipment = await asyncio.to_thread(Shipment.of, role, version, folder)
        last = ""
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    try:
                        await self._sender.send(self._target, shipment)
                    except UnavailableError as error:
                        last = f"; its last answer: {error}"
                    else:
                        return
                    await asyncio.sleep(self._pause)
        except TimeoutError as error:
            raise UnavailableError(
                f"the {role.value} at {self._target.address} took no adapter within {self._seconds:g} s{last}"
            ) from error
