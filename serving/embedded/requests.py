"""What callers ask of the thread that runs the model; may be used from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

from core.errors import QueueFullError, UnavailableError
from serving.embedded.runner import ModelRunner
from serving.embedded.scheduler import Scheduler, Sequence
from serving.engine import EngineFailedError


@dataclass(frozen=True)
class Change:
    """A change of the model, which waits until no sequence is running."""

    make: Callable[[ModelRunner], None]
    """Makes the change, in the thread that runs the model; after an `InvalidInputError`, the model is as it
    was."""
    made: Future[None]


class Requests:
    """The sequences that wait or run, and at most one change of the model.

    After it is closed, nothing can be added any more.
    """

    def __init__(self, scheduler: Scheduler, max_queue: int) -> None:
        """More than `max_queue` waiting sequences are refused."""
        self._scheduler, self._max_queue = scheduler, max_queue
        self._change: Change | None = None
        self._refusal: UnavailableError | None = None
        self._added = threading.Condition()

    @property
    def unanswered(self) -> int:
        """Number of callers that wait for an answer or a change."""
        with self._added:
            scheduler = self._scheduler
            return len(scheduler.waiting) + len(scheduler.running) + (self._change is not None)

    def add(self, sequence: Sequence) -> None:
        """Puts a sequence into the queue.

        Raises:
            QueueFullError: too many wait already.
            UnavailableError: no more requests are taken; the reason that `close` was given.
        """
        with self._added:
            self._check_open()
            if len(self._scheduler.waiting) >= self._max_queue:
                raise QueueFullError(f"{self._max_queue} requests wait already; try again later")
            self._scheduler.waiting.append(sequence)
            self._added.notify()

    def ask(self, change: Change) -> None:
        """Asks for a change; the one before must have been made. Raises `UnavailableError` as `add` does."""
        with self._added:
            self._check_open()
            self._change = change
            self._added.notify()

    def close(self, reason: UnavailableError) -> None:
        """Takes nothing more; what has been added is still there. A failure is a reason before all others."""
        with self._added:
            if self._refusal is None or isinstance(reason, EngineFailedError):
                self._refusal = reason
            self._added.notify()

    def wait(self) -> bool:
        """Waits until there is something to do; False once it is closed."""
        with self._added:
            self._added.wait_for(
                lambda: self._refusal or self._scheduler.waiting or self._scheduler.running or self._change
            )
            return self._refusal is None

    def take_change(self) -> Change | None:
        """The change that can be made now, once no sequence is running; it must be settled."""
        with self._added:
            if self._scheduler.running:
                return None
            change, self._change = self._change, None
            return change

    def admit(self, copyable: Callable[[tuple[int, ...]], int]) -> list[Sequence]:
        """The sequences that start in this step, as in `Scheduler.admit`; none while a change waits."""
        with self._added:
            return [] if self._change else self._scheduler.admit(copyable)

    def drop_cancelled(self) -> None:
        """Drops the waiting sequences whose callers have given up."""
        with self._added:
            waiting = self._scheduler.waiting
            kept = [sequence for sequence in waiting if not sequence.future.cancelled()]
            if len(kept) < len(waiting):
                waiting.clear()
                waiting.extend(kept)

    def fail_running(self, error: Exception) -> None:
        """Ends the running sequences with an error."""
        with self._added:
            failed, self._scheduler.running = self._scheduler.running, []
        for sequence in failed:
            settle(sequence.future, error)

    def fail_all(self, error: Exception) -> None:
        """Ends everything that runs or waits with an error."""
        self.fail_running(error)
        with self._added:
            failed: list[Future[Any]] = [sequence.future for sequence in self._scheduler.waiting]
            self._scheduler.waiting.clear()
            if self._change:
                failed.append(self._change.made)
        for future in failed:
            settle(future, error)

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise self._refusal


def settle(future: Future[Any], outcome: object) -> None:
    """Gives the outcome to the waiting caller, unless the call was cancelled."""
    try:
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass
