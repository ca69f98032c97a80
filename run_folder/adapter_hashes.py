"""Hashes of a version's adapters, which its checkpoint records, and adapters that differ from them."""

from __future__ import annotations

import json
from typing import Any

from core.errors import CorruptDataError
from core.role import Role
from run_folder.folder import RunFolder
from serving.adapters.pair import AdapterPair

STATE_FILE = "state.json"
"""File of a checkpoint with everything in it that is not tensors."""
ADAPTERS_KEY = "adapters"
"""Key in that file: SHA-256 of each adapter by role, as `AdapterPair.hashes`; earlier versions lack it."""


def recorded_hashes(folder: RunFolder, version: int) -> dict[Role, str]:
    """The hashes that the checkpoint of this version has; empty if there is none, or if it has none."""
    path = folder.checkpoint(version) / STATE_FILE
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
        return {Role(role): str(sha256) for role, sha256 in state[ADAPTERS_KEY].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # Whoever loads the checkpoint finds out what is wrong with it.


def damaged(folder: RunFolder, version: int) -> list[Role]:
    """Roles whose adapter of this version lacks a file or is not what its checkpoint recorded."""
    recorded, pair = recorded_hashes(folder, version), folder.pair(version)
    return [role for role, _ in pair.items() if not _is_whole(pair, role, recorded.get(role))]


def check_recorded(folder: RunFolder, version: int) -> None:
    """Checks adapters of which no file is missing.

    Raises:
        CorruptDataError: an adapter of this version is not what its checkpoint recorded; names its folder.
    """
    for role in damaged(folder, version):
        raise CorruptDataError(
            f"the adapter in {folder.adapter(role, version)} was changed or damaged: its SHA-256 is not "
            f"the one in {folder.checkpoint(version)}. Resuming the run from there writes it again; "
            "other versions can be chosen by their number"
        )


def _is_whole(pair: AdapterPair, role: Role, recorded: str | None) -> bool:
    try:
        return recorded in (None, pair.hash_of(role))
    except OSError:
        return False
