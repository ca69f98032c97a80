"""Ends a command that plays after Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from core.exit_codes import Interrupted


def run(work: Coroutine[Any, Any, None], on_first: Callable[[], bool] = lambda: False) -> None:
    """Does the work; Ctrl-C and SIGTERM cancel it.

    Args:
        work: Work to do, which cleans up after itself if it is cancelled.
        on_first: Called at the first signal; if it returns True, the work will end soon anyway, and only a
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
