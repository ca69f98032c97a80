"""Pushes both adapters of a version to their model servers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from core.together import guarded, together
from learner.service.published import PublishedAdapters
from learner.service.run_parts import Publisher
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from trajectory.learner_status import Phase

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Publication:
    """Publishes versions from the run's folder, and reports it in the status."""

    folder: RunFolder
    publisher: Publisher
    status: StatusBoard
    published: PublishedAdapters
    """Is told what servers may answer with from now on."""

    async def publish(self, version: int) -> None:
        """Returns once enough servers of both roles answer new calls with this version.

        Raises:
            UnavailableError: too few servers of a role could be reached in time; the message names it.
            PreconditionError: the servers of a role refused their adapter; the message says why.
        """
        self.status.show(Phase.PUBLISHING, f"version {version} goes to the servers")
        pair = self.folder.pair(version)
        self.published.add(version, await asyncio.to_thread(pair.hashes))
        await together(
            *(
                self.publisher.publish(role, version, folder, self.status.report)
                for role, folder in pair.items()
            )
        )
        self.status.published(version)

    async def make_room(self) -> None:
        """Has the servers that share the learner's GPU give up its memory until the next version.

        Raises:
            PreconditionError: the configuration of a server does not let it sleep.
        """
        await self.publisher.sleep()

    async def while_served(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The result of the work.

        Raises:
            HiperError: a role has had no server for too long; the work is cancelled.
        """
        return await guarded(work, self._until_lost())

    async def _until_lost(self) -> NoReturn:
        raise await self.publisher.lost()
