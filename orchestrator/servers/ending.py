"""What a signal does to a command that plays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from core.exit_codes import Interrupted


def run(work: Coroutine[Any, Any, None], on_first: Callable[[], bool] = lambda: False) -> None:
    """Does the work; Ctrl-C and SIGTERM cancel it.

    Args:
        work: Cleans up after itself where it is cancelled.
        on_first: Called at the first signal; where it returns True, the work ends by itself soon, and only
            the second signal cancels it.

    Raises:
        Interrupted: after a signal, once the work has ended.
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
