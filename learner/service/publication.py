"""Pushes both adapters of a version to their model servers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from learner.service.run_parts import Publisher
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from trajectory.learner_status import Phase


@dataclass(frozen=True)
class Publication:
    """Publishes versions from the run's folder, and reports it in the status."""

    folder: RunFolder
    publisher: Publisher
    status: StatusBoard

    async def publish(self, version: int) -> None:
        """Returns once both servers answer new calls with this version.

        Raises:
            UnavailableError: a server could not be reached in time; the message names it.
            PreconditionError: a server refused its adapter; the message says why.
        """
        self.status.show(Phase.PUBLISHING, f"version {version} goes to the servers")
        await asyncio.gather(
            *(
                self.publisher.publish(role, version, folder)
                for role, folder in self.folder.pair(version).items()
            )
        )
        self.status.published(version)
