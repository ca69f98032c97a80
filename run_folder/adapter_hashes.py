"""Checks a version's adapters against the hashes that its checkpoint has."""

from __future__ import annotations

import json
from typing import Any

from core.errors import CorruptDataError
from core.role import Role
from run_folder.folder import RunFolder
from serving.adapters.pair import AdapterPair

STATE_FILE = "state.json"
"""File of a checkpoint with everything but tensors."""
ADAPTERS_KEY = "adapters"
"""Key in that file: SHA-256 of each adapter by role, as `AdapterPair.hashes`; earlier versions lack it."""


def recorded_hashes(folder: RunFolder, version: int) -> dict[Role, str]:
    """The hashes in the checkpoint of this version; empty if there is no checkpoint, or no hashes in it."""
    path = folder.checkpoint(version) / STATE_FILE
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
        return {Role(role): str(sha256) for role, sha256 in state[ADAPTERS_KEY].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # A damaged checkpoint is reported when it is loaded.


def damaged(folder: RunFolder, version: int) -> list[Role]:
    """Roles whose adapter of this version lacks a file, or does not have the recorded hash."""
    recorded, pair = recorded_hashes(folder, version), folder.pair(version)
    return [role for role, _ in pair.items() if not _is_whole(pair, role, recorded.get(role))]


def check_recorded(folder: RunFolder, version: int) -> None:
    """Checks that the adapters of this version, whose files must exist, have the recorded hashes.

    Raises:
        CorruptDataError: an adapter has another hash; the message names its folder.
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
