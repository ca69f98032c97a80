"""The segments of a batch: where they begin and end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Bools, Ints
from hae.batch import TurnBatch


@dataclass(frozen=True, eq=False)
class Segments:
    """The K segments of all episodes, in the batch's order: segment k is turns `first[k]` to `last[k]`."""

    start: Bools
    """[T] whether the turn is the first one of a segment."""
    first: Ints
    """[K] first turn of each segment, b_k."""
    last: Ints
    """[K] last turn of each segment, e_k."""
    final: Ints
    """[E] number k of each episode's last segment."""

    @classmethod
    def of(cls, batch: TurnBatch) -> Segments:
        """The segments of a batch: one begins on every SWITCH, and on the first turn of every episode."""
        start = batch.switch.copy()
        start[batch.episode_offsets[:-1]] = True
        first = np.flatnonzero(start)
        last = np.empty_like(first)
        last[:-1] = first[1:] - 1
        last[-1] = batch.turns - 1
        final = np.searchsorted(first, batch.episode_offsets[1:]) - 1
        return cls(start=start, first=first, last=last, final=final)
