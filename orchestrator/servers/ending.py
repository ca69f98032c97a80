"""The end of a command that plays: exit codes and signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from core.errors import HiperError
from orchestrator.clients.identity import WrongRoleError
from orchestrator.servers.services import ServiceDiedError

FAILED, BAD_INPUT = 1, 2
"""Exit codes, in addition to 0 and those of signals."""


class Interrupted(Exception):
    """A signal has ended the work."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
        """Exit code in the convention of shells: 130 for Ctrl-C, 143 for SIGTERM."""


def exit_code(error: HiperError) -> int:
    """The exit code for an error: 2 if the request was wrong, else 1."""
    refused = isinstance(error, ServiceDiedError) and error.exit_code == BAD_INPUT
    return BAD_INPUT if refused or isinstance(error, WrongRoleError) else FAILED


def run(work: Coroutine[Any, Any, None], on_first: Callable[[], bool] = lambda: False) -> None:
    """Does the work; Ctrl-C and SIGTERM cancel it.

    Args:
        work: Work to do, which cleans up after itself if it is cancelled.
        on_first: Called at the first signal; if it returns True, the work ends soon by itself, and only a
            second signal cancels it.

    Raises:
        Interrupted: a signal was received; raised once the work has ended.
    """
    asyncio.run(_interruptible(work, on_first))


async def _interruptible(work: Coroutine[Any, Any, None], on_first: Callable[[], bool]) -> None:
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    received: list[int] = []

    def told(number: int) -> None:
        received.append(number)
        if len(received) > 1 or not on_first():
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, told, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    if received:
        raise Interrupted(received[-1])
