"""Reads and encodes a run's episodes, some at a time, in several processes if there are many."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from core.errors import HiperError
from orchestrator.exporting.rows import EpisodeRows, read
from run_folder.store import EpisodeStore

Encode = Callable[[Sequence[EpisodeRows]], bytes]

_EPISODES = 64
"""Number of episodes that are encoded together: a megabyte or a few."""
_FEW_CHUNKS = 8
"""Number of chunks up to which other processes would take longer to start than they save."""
_MOST_PROCESSES = 8
_AHEAD = 2
"""Chunks per process that are encoded ahead of the writer, which limits the memory."""


@dataclass(frozen=True)
class Chunk:
    """Some episodes, encoded."""

    data: bytes
    episodes: int
    turns: int
    damaged: dict[int, str]
    """Reason for each episode that could not be read, and was left out."""


def chunks(
    path: Path, numbers: Sequence[int], encode: Encode, processes: int | None = None
) -> Iterator[Chunk]:
    """Encodes the episodes at these places, in this order.

    Args:
        path: The run's file of episodes.
        numbers: Places of the episodes.
        encode: Function of a module, which other processes can import.
        processes: Number of processes; by default one per core, and none besides this one for few episodes.
    """
    parts = [numbers[first : first + _EPISODES] for first in range(0, len(numbers), _EPISODES)]
    if processes is None:
        cores = min(os.cpu_count() or 1, _MOST_PROCESSES)
        processes = cores if len(parts) > _FEW_CHUNKS else 1
    if processes == 1:
        yield from (_chunk(path, part, encode) for part in parts)
        return
    # Not forked: the display of the progress has a thread.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        pending: deque[Future[Chunk]] = deque()
        for part in parts:
            pending.append(pool.submit(_chunk, path, part, encode))
            if len(pending) > _AHEAD * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _chunk(path: Path, numbers: Sequence[int], encode: Encode) -> Chunk:
    episodes: list[EpisodeRows] = []
    damaged: dict[int, str] = {}
    with closing(EpisodeStore.reading(path)) as store:
        set_aside = store.those_set_aside()
        for number in numbers:
            try:
                episodes.append(read(store, number, set_aside))
            except HiperError as error:
                damaged[number] = str(error)
    return Chunk(encode(episodes), len(episodes), sum(len(each.turns) for each in episodes), damaged)
