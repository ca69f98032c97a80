"""The model servers that answer now; others may take their place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import UnavailableError
from orchestrator.endpoint.agent import Bound
from play.players import Executor, Planner


class CurrentModels:
    """Binds calls to the models that answer now, and refuses them while there are none."""

    def __init__(self) -> None:
        self._bound: Bound | None = None
        self._calls: set[asyncio.Task[object]] = set()

    @contextmanager
    def answering(self, bound: Bound) -> Iterator[None]:
        """Binds calls by `bound` while the block runs, and cancels those that are left at its end."""
        self._bound = bound
        try:
            yield
        finally:
            self._bound = None
            for call in self._calls:
                call.cancel()

    @contextmanager
    def bound(self, name: str) -> Iterator[tuple[Planner, Executor]]:
        """Planner and executor for a task's calls.

        Raises:
            UnavailableError: no models answer now.
        """
        if self._bound is None:
            raise UnavailableError("planner and executor are being started again; try again in a moment")
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            with self._bound(name) as pair:
                yield pair
        finally:
            self._calls.discard(call)
