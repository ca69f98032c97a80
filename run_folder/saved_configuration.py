"""The configuration that is saved in a run's folder, with a hash that shows changes and damage."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from configuration.files import read_toml, to_toml
from configuration.tree import Configuration
from core.errors import ConfigurationError, CorruptDataError, NotFoundError
from core.files import replace_file
from run_folder.folder import RunFolder

_MARK = "# SHA-256 of the lines below: "
"""Beginning of the first line; files of earlier versions, and those edited by hand, may lack that line."""
_SECTIONS = frozenset(Configuration.model_fields) - {"pool"}
"""Sections that every saved configuration has, because each has keys that are always set. Runs that began
before there were pools lack `pool`, which has nothing that they depend on."""


def write(folder: RunFolder, configuration: Configuration) -> None:
    """Writes every key, below a line with their hash.

    Raises:
        ExhaustedError: the disk is full; the file has not changed.
    """
    content = to_toml(configuration)
    replace_file(folder.configuration, f"{_MARK}{_sha256(content.encode())}\n{content}")


def read(root: Path) -> dict[str, Any]:
    """Reads the configuration of the run in this folder, as nested tables.

    Raises:
        ConfigurationError: there is no run, or the file is not TOML.
        CorruptDataError: the file is incomplete, or its hash does not match.
    """
    path = RunFolder(root).configuration
    if not path.exists():
        raise ConfigurationError(
            f"there is no run in {root} to resume; without --resume one is started there"
        )
    _check_hash(path)
    tree = read_toml(path)
    if missing := sorted(section for section in _SECTIONS if not tree.get(section)):
        raise CorruptDataError(
            f"{path} is not complete: it has no {', '.join(missing)}, and a run writes every section. "
            "Restore the file from a copy, or start a new run in another folder"
        )
    # Written by versions before `patience_seconds`, which must not keep their runs from being resumed.
    tree.get("orchestrator", {}).pop("attempts", None)
    return tree


def of_run(root: Path) -> dict[str, Any]:
    """Like `read`, for commands that only look at a run.

    Raises:
        NotFoundError: the folder does not hold a run.
        ConfigurationError: the file is not TOML.
        CorruptDataError: the file is incomplete, or its hash does not match.
    """
    path = RunFolder(root).configuration
    if not path.is_file():
        raise NotFoundError(f"{root} is not the folder of a run: it has no {path.name}")
    return read(root)


def _check_hash(path: Path) -> None:
    first, _, content = path.read_bytes().partition(b"\n")
    mark = _MARK.encode()
    if first.startswith(mark) and first.removeprefix(mark).strip() != _sha256(content).encode():
        raise CorruptDataError(
            f"{path} was changed or damaged: its SHA-256 is not the one in its first line. "
            "If it was changed on purpose, remove that line"
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
