"""A version counts as published once both servers have it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import UnavailableError
from core.role import Role
from learner.service.publication import Publication
from learner.service.status import StatusBoard
from run_folder.folder import RunFolder
from tests.learner.service.runs import SCHEDULE
from trajectory.learner_status import Phase


class Servers:
    """Take adapters; one that is down refuses."""

    def __init__(self, down: Role | None = None) -> None:
        self.taken: dict[Role, Path] = {}
        self._down = down

    async def publish(self, role: Role, version: int, folder: Path) -> None:
        if role is self._down:
            raise UnavailableError(f"the {role.value} took no adapter")
        self.taken[role] = folder


def test_both_adapters_go_to_their_servers(tmp_path: Path) -> None:
    servers, status, folder = Servers(), StatusBoard("run", SCHEDULE), RunFolder(tmp_path)
    asyncio.run(Publication(folder, servers, status).publish(1))
    assert servers.taken == dict(folder.pair(1).items())
    assert (status.now.phase, status.now.version) == (Phase.PUBLISHING, 1)


def test_a_server_that_is_down_leaves_the_version_before(tmp_path: Path) -> None:
    status = StatusBoard("run", SCHEDULE)
    status.published(0)
    publication = Publication(RunFolder(tmp_path), Servers(down=Role.EXECUTOR), status)
    with pytest.raises(UnavailableError, match="executor took no adapter"):
        asyncio.run(publication.publish(1))
    assert status.now.version == 0
