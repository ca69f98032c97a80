"""Writes a run's episodes into files beside its report: only those that changed since the last time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.role import Role
from orchestrator.report.data_files import FORMAT, read_data, write_data
from orchestrator.report.episode_rows import COLUMNS, detail, index_row
from orchestrator.report.token_texts import TokenTexts
from run_folder.blocks import EpisodeBlocks, Stamps

PLACES_PER_FILE = 20
"""Number of episodes in a file of turns, which the page loads when one of them is opened."""
FILES_PER_PART = 50
"""Number of such files that a part of the index lists; the page loads all parts."""
HEAD = "run"
"""Name of the file that names the parts of the index; the page reads it first, and again when it polls."""

Block = dict[str, Any]
"""An entry of the index: number and stamp of a block, and the rows of its episodes."""


class EpisodeFiles:
    """The files of one run's episodes.

    Each entry of the index has the stamp of its block, so what is on disk shows what has to be written.
    """

    def __init__(self, folder: Path, store: EpisodeBlocks, texts: Mapping[Role, TokenTexts]) -> None:
        self._folder, self._store, self._texts = folder, store, texts
        self._written: dict[int, str] = {}
        known = [texts[role].known for role in Role]
        self._salt = repr((FORMAT, PLACES_PER_FILE, COLUMNS, known, store.run_id))

    def update(self, head: Mapping[str, Any]) -> None:
        """Writes what is new, and then the head with this content.

        Raises:
            ExhaustedError: the disk is full.
        """
        self._folder.mkdir(exist_ok=True)
        stamps = self._store.stamps(PLACES_PER_FILE)
        parts: dict[int, dict[int, str]] = {}
        for block, stamp in sorted(stamps.by_block.items()):
            parts.setdefault(block // FILES_PER_PART, {})[block] = self._salted(stamp)
        for part, blocks in parts.items():
            if self._part(part, blocks):
                # Not only at the end, so that a page that polls shows the beginning of a long run at once.
                self._write_head(stamps, head)
        self._write_head(stamps, head)

    def _write_head(self, stamps: Stamps, head: Mapping[str, Any]) -> None:
        parts = sorted(self._written.items())
        write_head(self._folder, head, stamps.episodes, stamps.trained, parts, stamps.damage)

    def _part(self, part: int, blocks: Mapping[int, str]) -> bool:
        """Writes a part of the index and the files that it lists, if they changed; returns whether it did."""
        whole = self._salted(repr(sorted(blocks.items())))
        if self._written.get(part) == whole:
            return False
        path = self._folder / f"index-{part}.js"
        before = {entry["block"]: entry for entry in _entries(path)}
        entries: list[Block] = []
        for block, stamp in blocks.items():
            entry = before.get(block)
            if entry is None or entry.get("stamp") != stamp or not self._file(block).is_file():
                entry = self._block(block, stamp)
            entries.append(entry)
        changed = entries != list(before.values())
        if changed:
            write_data(path, {"columns": COLUMNS, "blocks": entries})
        self._written[part] = whole
        return changed

    def _block(self, block: int, stamp: str) -> Block:
        stored = self._store.block(block, PLACES_PER_FILE)
        episodes = {str(one.number): detail(one, self._texts) for one in stored}
        write_data(self._file(block), {"episodes": episodes})
        return {"block": block, "stamp": stamp, "rows": [index_row(one) for one in stored]}

    def _file(self, block: int) -> Path:
        return self._folder / f"episodes-{block}.js"

    def _salted(self, text: str) -> str:
        return hashlib.sha256(f"{self._salt} {text}".encode()).hexdigest()[:12]


def write_head(
    folder: Path,
    head: Mapping[str, Any],
    episodes: int = 0,
    trained: int = 0,
    parts: Sequence[tuple[int, str]] = (),
    damage: Sequence[str] = (),
) -> None:
    """Writes the head.

    Args:
        folder: Folder of the run's data files.
        head: Content about the run: `run`, `name`, `made`, `updates`, `running` and `notes`.
        episodes: Number of episodes.
        trained: Number of those that an update has used.
        parts: Number and stamp of each part of the index.
        damage: More notes.
    """
    content = {
        **head,
        "notes": [*head["notes"], *damage],
        "episodes": episodes,
        "trained": trained,
        "parts": parts,
    }
    write_data(folder / f"{HEAD}.js", content)


def _entries(path: Path) -> list[Block]:
    """The entries of a part that is on disk; none if it cannot be read."""
    blocks = (read_data(path) or {}).get("blocks")
    if not isinstance(blocks, list):
        return []
    kinds = {"block": int, "rows": list}
    return [
        entry
        for entry in blocks
        if isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in kinds.items())
    ]
