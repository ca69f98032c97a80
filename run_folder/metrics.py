"""Metrics on disk: a file of JSON lines, and the sinks that are told the same."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from core.files import replace_file
from run_folder.metric_names import ADAPTER_VERSION

log = logging.getLogger(__name__)


Metrics = dict[str, float]
"""Values by name, of one update; see metric_"""


class MetricsSink(Protocol):
    """Where metrics go beside the file."""

    def begin(self, lines: Sequence[Metrics]) -> None:
        """A process begins; these are the lines of the updates that were made before."""

    def write(self, line: Metrics) -> None:
        """An update was made; its step is `adapter/version`."""


class MetricsFile:
    """A line for each update, in order, each once; sinks are told what it is told.

    A sink that fails is left out from then on with a line in the log: the run and its file continue.
    """

    def __init__(self, path: Path, sinks: Sequence[MetricsSink] = ()) -> None:
        self._path = path
        self._sinks = list(sinks)

    def append(self, line: Metrics) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._tell(lambda sink: sink.write(line))

    def lines(self) -> list[Metrics]:
        """The whole lines; one that a crash cut off is left out."""
        if not self._path.exists():
            return []
        return [
            line for text in self._path.read_text(encoding="utf-8").splitlines() if (line := _parsed(text))
        ]

    def rewind(self, version: int) -> None:
        """Drops what stands for updates after `version`, which will be made again, and a cut-off line."""
        kept = [json.dumps(line) + "\n" for line in self.lines() if line[ADAPTER_VERSION] <= version]
        replace_file(self._path, "".join(kept))
        lines = self.lines()
        self._tell(lambda sink: sink.begin(lines))

    def _tell(self, what: Callable[[MetricsSink], None]) -> None:
        for sink in list(self._sinks):
            try:
                what(sink)
            except Exception as error:  # of somebody else's library, its network or its disk
                log.warning("%s is left out from now on: %s", type(sink).__name__, error)
                self._sinks.remove(sink)


def _parsed(text: str) -> Metrics | None:
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return line if isinstance(line, dict) and ADAPTER_VERSION in line else None
