"""Metrics on disk: a file with a line of JSON per update, and sinks that get the same lines."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from core.errors import CorruptDataError
from core.files import appended_whole, replace_file
from run_folder.metric_names import ADAPTER_VERSION

log = logging.getLogger(__name__)


Metrics = dict[str, float]
"""Values by name, of one update; see `run_folder/metric_names.py`."""


class MetricsSink(Protocol):
    """Another destination of the metrics, such as TensorBoard."""

    def begin(self, lines: Sequence[Metrics]) -> None:
        """Called once when the learner starts, with the lines of all earlier updates."""

    def write(self, line: Metrics) -> None:
        """Called after each update with its line; `adapter/version` is the step."""


class MetricsFile:
    """A file with one line per update, in order; every line also goes to the sinks.

    A sink that fails is not used again, and a line in the log says so. The run and its file continue.
    """

    def __init__(self, path: Path, sinks: Sequence[MetricsSink] = ()) -> None:
        self._path = path
        self._sinks = list(sinks)

    def append(self, line: Metrics) -> None:
        """Adds a line and flushes it to disk; first removes a last line that a crash cut off.

        Raises:
            ExhaustedError: the disk is full; nothing was added.
        """
        if self._path.exists():
            _end_last_line(self._path)
        with appended_whole(self._path), self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._tell(lambda sink: sink.write(line))

    def lines(self) -> list[Metrics]:
        """The complete lines; a last line that a crash cut off is ignored.

        Raises:
            CorruptDataError: another line holds no metrics; the message names the file and the line.
        """
        lines, damaged = self.readable()
        if damaged:
            raise CorruptDataError(
                f"{self._path} was changed or damaged: line {damaged[0]} holds no metrics. "
                "Without that line the file can be read"
            )
        return lines

    def readable(self) -> tuple[list[Metrics], list[int]]:
        """The complete lines, and the numbers, from 1, of those before the last that hold no metrics."""
        if not self._path.exists():
            return [], []
        parsed = [_parsed(text) for text in self._path.read_bytes().split(b"\n")]
        damaged = [number for number, line in enumerate(parsed[:-1], 1) if line is None]
        return [line for line in parsed if line is not None], damaged

    def rewind(self, version: int) -> None:
        """Removes the lines of updates after `version`, which will be made again, and a cut-off last line.

        Raises:
            CorruptDataError: a line before the last holds no metrics.
        """
        kept = [json.dumps(line) + "\n" for line in self.lines() if line[ADAPTER_VERSION] <= version]
        replace_file(self._path, "".join(kept))
        lines = self.lines()
        self._tell(lambda sink: sink.begin(lines))

    def _tell(self, what: Callable[[MetricsSink], None]) -> None:
        for sink in list(self._sinks):
            try:
                what(sink)
            except Exception as error:  # A library may raise anything, and must not end the run.
                log.warning("%s is left out from now on: %s", type(sink).__name__, error)
                self._sinks.remove(sink)


def _parsed(text: bytes) -> Metrics | None:
    """The metrics of a line; None if it holds anything else."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not all(isinstance(value, int | float) for value in line.values()):
        return None
    return line if ADAPTER_VERSION in line else None


def _end_last_line(path: Path) -> None:
    """Completes a last line that lacks only its newline; removes one that was cut off earlier."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 1))
        if file.read() in (b"", b"\n"):
            return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if _parsed(content[whole:]) is None:
        os.truncate(path, whole)
    else:
        with path.open("ab") as file:
            file.write(b"\n")
