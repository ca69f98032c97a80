"""Sends adapters to the model servers that are given, and retries while a server is not ready."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from core.errors import UnavailableError
from core.role import Role
from serving.adapters.sender import AdapterSender, Shipment, Target


class AdapterPublisher:
    """Pushes each adapter to the server of its role."""

    def __init__(
        self,
        targets: Mapping[Role, Target],
        sender: AdapterSender,
        seconds: float,
        pause: float = 1.0,
    ) -> None:
        """`seconds` limits a push as a whole, with all attempts and the `pause`s between them."""
        self._targets, self._sender = targets, sender
        self._seconds, self._pause = seconds, pause

    async def publish(self, role: Role, version: int, folder: Path) -> None:
        """Pushes an adapter; returns once the server answers new calls with it.

        Raises:
            UnavailableError: the server could not be reached in time; names it.
            PreconditionError: the server refused the adapter, or answers with another one; says why.
            ClaimedError: another run has claimed the server; names it.
        """
        target = self._targets[role]
        shipment = await asyncio.to_thread(Shipment.of, role, version, folder)
        last = ""
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    try:
                        await self._sender.send(target, shipment)
                    except UnavailableError as error:
                        last = f"; its last answer: {error}"
                    else:
                        return
                    await asyncio.sleep(self._pause)
        except TimeoutError as error:
            raise UnavailableError(
                f"the {role.value} at {target.address} took no adapter within {self._seconds:g} s{last}"
            ) from error
