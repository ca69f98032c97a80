"""The pair of adapters, planner's and executor's, which are made, kept, evaluated and served together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, folder_hash


@dataclass(frozen=True)
class AdapterPair:
    """The PEFT folders of both adapters."""

    planner: Path
    executor: Path

    @classmethod
    def within(cls, folder: Path) -> Self:
        """The folders `planner` and `executor` inside this one."""
        return cls(folder / Role.PLANNER.value, folder / Role.EXECUTOR.value)

    def of(self, role: Role) -> Path:
        return self.planner if role is Role.PLANNER else self.executor

    def items(self) -> Iterator[tuple[Role, Path]]:
        """Each role with its folder."""
        return ((role, self.of(role)) for role in Role)

    def missing(self) -> tuple[Role, Path] | None:
        """The first file that is missing in the PEFT folders, with its role; None if they are complete."""
        for role, folder in self.items():
            for name in (CONFIG_FILE, WEIGHTS_FILE):
                if not (folder / name).is_file():
                    return role, folder / name
        return None

    def hashes(self) -> dict[Role, str]:
        """SHA-256 of each folder's configuration and weights, in hexadecimal digits."""
        return {role: self.hash_of(role) for role in Role}

    def hash_of(self, role: Role) -> str:
        """SHA-256 of a role's configuration and weights, in hexadecimal digits."""
        return folder_hash(self.of(role)).hex()
