"""A version counts as published once both servers have it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import HiperError, UnavailableError
from core.progress import Progress
from core.role import Role
from learner.service.publication import Publication
from learner.service.published import PublishedAdapters
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from tests.learner.service.runs import SCHEDULE, CountingTrainer
from trajectory.learner_status import Phase


class Servers:
    """Take adapters; one that is down refuses."""

    def __init__(self, down: Role | None = None) -> None:
        self.taken: dict[Role, Path] = {}
        self.asleep = False
        self._down = down

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        if role is self._down:
            raise UnavailableError(f"the {role.value} took no adapter")
        self.taken[role] = folder

    async def sleep(self) -> None:
        self.asleep = True

    async def lost(self) -> HiperError:
        return UnavailableError("no executor has been ready for 300 s")


def kept(root: Path) -> RunFolder:
    """A folder with the adapters of version 1."""
    folder, trainer = RunFolder(root), CountingTrainer()
    for role, adapter in folder.pair(1).items():
        trainer.save_adapter(role, adapter)
    return folder


def test_both_adapters_go_to_their_servers(tmp_path: Path) -> None:
    servers, status, folder = Servers(), StatusBoard("run", SCHEDULE), kept(tmp_path)
    published = PublishedAdapters(epoch=2)
    asyncio.run(Publication(folder, servers, status, published).publish(1))
    assert servers.taken == dict(folder.pair(1).items())
    assert (status.now.phase, status.now.version) == (Phase.PUBLISHING, 1)
    hashes = folder.pair(1).hashes()
    assert {role: published.hash_of(1, role) for role in Role} == {
        role: bytes.fromhex(digits) for role, digits in hashes.items()
    }
    assert (published.newest, published.hash_of(0, Role.PLANNER)) == (1, None)


def test_a_server_that_is_down_leaves_the_version_before(tmp_path: Path) -> None:
    status = StatusBoard("run", SCHEDULE)
    status.published(0)
    publication = Publication(kept(tmp_path), Servers(down=Role.EXECUTOR), status, PublishedAdapters(epoch=0))
    with pytest.raises(UnavailableError, match="executor took no adapter"):
        asyncio.run(publication.publish(1))
    assert status.now.version == 0


def test_work_that_needs_servers_ends_when_a_role_has_none(tmp_path: Path) -> None:
    publication = Publication(
        kept(tmp_path), Servers(), StatusBoard("run", SCHEDULE), PublishedAdapters(epoch=0)
    )
    cancelled = False

    async def waiting() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    async def done() -> int:
        return 7

    with pytest.raises(UnavailableError, match="no executor has been ready"):
        asyncio.run(publication.while_served(waiting()))
    assert cancelled
    assert asyncio.run(publication.while_served(done())) == 7
