"""Drills of the episode store: `kill -9` at random moments, and files that are cut off anywhere."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import struct
import tempfile
import time
from contextlib import closing
from pathlib import Path

from core.errors import HiperError
from run_folder.store import EpisodeStore
from tests.drills.drill import Effort, Row
from tests.learner.service.episodes import episode

_NUMBER = struct.Struct("<I")
_RUN = "run"
_LONGEST_LIFE = 0.04
"""Longest time, in seconds, until a writer is killed: enough to store a dozen episodes."""
_CREATION = 0.006
"""Time, in seconds, in which a store is created."""


def kills(effort: Effort) -> Row:
    """Kills a process that stores episodes, at a random moment, also while it creates the store.

    Afterwards, the store must be usable, and every acknowledged episode must be in it and readable.
    """
    count = effort.count(1000, least=8)
    draw = random.Random(effort.seed)
    survived = lost = 0
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "0" / "episodes.sqlite"
        acknowledged: set[int] = set()
        for life in range(count):
            if draw.random() < 0.5:
                path, acknowledged = Path(root) / str(life) / "episodes.sqlite", set()
            path.parent.mkdir(exist_ok=True)
            longest = _LONGEST_LIFE if acknowledged else _CREATION
            acknowledged |= _life(path, max(acknowledged, default=-1) + 1, draw.uniform(0, longest))
            missing = _missing(path, acknowledged)
            lost += len(missing or ())
            survived += missing == set()
    return Row("store: kill -9", count, survived, lost, note="half of them while the store is made")


def _life(path: Path, first: int, seconds: float) -> set[int]:
    """The places that a writer acknowledged before it was killed `seconds` after its start."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _write_until_killed(path, first, writing)
    os.close(writing)
    ends = time.monotonic() + seconds
    received = b""
    while (left := ends - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        received += os.read(reading, 4096)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(reading, 4096):
        received += more
    os.close(reading)
    whole = len(received) // _NUMBER.size * _NUMBER.size
    return {number for (number,) in _NUMBER.iter_unpack(received[:whole])}


def _write_until_killed(path: Path, first: int, acknowledge: int) -> None:
    try:
        store = EpisodeStore(path, None if path.exists() else _RUN)
        for number in range(first, first + 10_000):
            store.add(episode(number))
            os.write(acknowledge, _NUMBER.pack(number))
    finally:
        os._exit(1)


def _missing(path: Path, acknowledged: set[int]) -> set[int] | None:
    """Acknowledged places that the store does not have; None if it cannot be used again."""
    try:
        # The learner, too, names the run only for a new store.
        with closing(EpisodeStore(path, None if path.exists() else _RUN)) as store:
            kept = store.numbers()
            for number in sorted(kept):
                store.load([number])
            return acknowledged - kept if store.run_id == _RUN else None
    except HiperError:
        return acknowledged or None


def truncations(effort: Effort) -> Row:
    """Cuts the last record of the store's log at every byte; all episodes before it must still be there."""
    injected = survived = lost = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / "episodes.sqlite"
        with closing(EpisodeStore(path, _RUN)) as store:
            for number in range(4):
                store.add(episode(number))
            log = path.with_name("episodes.sqlite-wal")
            begin = log.stat().st_size
            store.add(episode(4))
            shutil.copytree(root, root / "copied", ignore=shutil.ignore_patterns("*-shm", "copied"))
        whole = (root / "copied" / log.name).read_bytes()
        for length in range(begin, len(whole), effort.stride(most=997)):
            place = root / "torn"
            shutil.copytree(root / "copied", place, dirs_exist_ok=True)
            (place / "episodes.sqlite-shm").unlink(missing_ok=True)
            (place / log.name).write_bytes(whole[:length])
            missing = _missing(place / path.name, set(range(4)))
            injected += 1
            lost += len(missing or ())
            survived += missing == set()
    return Row("store: cut at every byte", injected, survived, lost, note="of the last record in its log")
