"""Random numbers of one game that draws from Python's and numpy's shared generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class OwnRandomness:
    """A state of both generators that belongs to one episode, so that others do not change what it draws.

    A copy draws the same numbers as its original.
    """

    def __init__(self, seed: int | None) -> None:
        self._drawn = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())

    @contextmanager
    def used(self) -> Iterator[None]:
        """A block in which the shared generators have this state; afterwards they are as before."""
        shared = (random.getstate(), np.random.get_state())
        random.setstate(self._drawn[0])
        np.random.set_state(self._drawn[1])
        try:
            yield
        finally:
            self._drawn = (random.getstate(), np.random.get_state())
            random.setstate(shared[0])
            np.random.set_state(shared[1])
