"""The adapters that the learner has published since it started: what an episode's answers must come from."""

from __future__ import annotations

from collections.abc import Mapping

from core.role import Role


class PublishedAdapters:
    """Hashes by version and role, all of one epoch. Called from one event loop."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._hashes: dict[int, dict[Role, bytes]] = {}

    def add(self, version: int, hashes: Mapping[Role, str]) -> None:
        """This version is pushed from now on, so that answers may come from it; hashes in hexadecimal."""
        self._hashes[version] = {role: bytes.fromhex(digits) for role, digits in hashes.items()}

    @property
    def newest(self) -> int:
        """The last version that was pushed; -1 before the first."""
        return max(self._hashes, default=-1)

    def hash_of(self, version: int, role: Role) -> bytes | None:
        """None if no such version was published in this epoch."""
        return self._hashes.get(version, {}).get(role)
