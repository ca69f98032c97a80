"""Writes a run's report: the page, and beside it the files of episodes that the page loads."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.errors import HiperError
from core.files import replace_file
from core.role import Role
from orchestrator.report.data import RunData, read
from orchestrator.report.episode_files import EpisodeFiles, write_head
from orchestrator.report.page import html
from orchestrator.report.token_texts import TokenTexts, token_texts
from run_folder.blocks import EpisodeBlocks
from run_folder.folder import RunFolder
from run_folder.lock import Lock
from run_folder.metrics import Metrics

_LOCK_SECONDS = 600.0
"""Time that a report waits for another process that writes the same one."""


class RunReport:
    """The report of a run in its folder; each call of `update` writes only what has changed."""

    def __init__(self, root: Path, other: Path | None = None, other_url: str | None = None) -> None:
        """Opens nothing yet.

        Args:
            root: Folder of the run.
            other: Folder of a second run to compare with, whose report must have been written.
            other_url: URL of that run's data in the page; by default its path relative to the page.
        """
        self._folder = RunFolder(root)
        self._other = other_url or (None if other is None else _relative(other, root))
        self._store: EpisodeBlocks | None = None
        self._files: EpisodeFiles | None = None
        self._texts: dict[Role, TokenTexts] = {}
        self._seen: tuple[Any, ...] | None = None

    def update(self, lines: Sequence[Metrics] | None = None) -> RunData:
        """Writes what has changed since the last time; returns the contents of the page.

        Args:
            lines: Metrics of the updates, if they are not in the folder because the learner runs elsewhere.

        Raises:
            NotFoundError: the folder does not hold a run.
            ConfigurationError: another process has been writing the report for ten minutes.
            ExhaustedError: the disk is full.
        """
        data = read(self._folder.root, lines)
        self._open(data)
        of_page = replace(data, played=0)
        changes = self._store and self._store.changes()
        if self._seen == (of_page, changes):
            return data
        self._folder.report_data.mkdir(exist_ok=True)
        lock = Lock(self._folder.report_data / "lock", "writes the report", _LOCK_SECONDS)
        try:
            # The page comes first, so that it can be opened while many episodes are still being written.
            if self._seen is None or self._seen[0] != of_page:
                replace_file(self._folder.report, html(data, self._other))
            self._write_episodes(data)
        finally:
            lock.release()
        self._seen = (of_page, changes)
        return data

    def look(self) -> RunData:
        """The contents of the run's folder now; raises `NotFoundError` if it is not that of a run."""
        return read(self._folder.root)

    def _open(self, data: RunData) -> None:
        if self._store is not None or not self._folder.episodes.exists():
            return
        try:
            self._store = EpisodeBlocks(self._folder.episodes)
        except HiperError:
            return  # `read` has noted the reason.
        self._texts = token_texts(_tables(data.configuration))
        self._files = EpisodeFiles(self._folder.report_data, self._store, self._texts)

    def _write_episodes(self, data: RunData) -> None:
        head = {
            "run": data.run_id,
            "name": self._folder.root.name,
            "made": datetime.now().astimezone().isoformat(timespec="seconds"),
            "updates": len(data.lines),
            "running": data.running,
            "notes": self._notes(),
        }
        if self._files is None:
            write_head(self._folder.report_data, head)
        else:
            self._files.update(head)

    def _notes(self) -> list[str]:
        unknown = [role.value for role, texts in self._texts.items() if not texts.known]
        if not unknown:
            return []
        roles = " and the ".join(unknown)
        return [f"Tokens of the {roles} are shown by number: no tokenizer was found on this machine."]

    def close(self) -> None:
        """Closes the store."""
        if self._store is not None:
            self._store.close()
            self._store = None


def write(data: RunData, root: Path, other: Path | None = None) -> Path:
    """Writes the report of a run, and returns the path of its page; see `RunReport`."""
    report = RunReport(root, other)
    try:
        report.update(data.lines)
    finally:
        report.close()
    return RunFolder(root).report


def _tables(configuration: str) -> dict[str, Any]:
    try:
        return tomllib.loads(configuration)
    except tomllib.TOMLDecodeError:
        return {}


def _relative(other: Path, root: Path) -> str:
    return quote(os.path.relpath(RunFolder(other).report_data, root))
