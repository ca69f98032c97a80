"""Running coroutines at the same time, so that they succeed or fail together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def together(*work: Coroutine[Any, Any, ResultT]) -> list[ResultT]:
    """Runs the coroutines concurrently and returns their results in the given order.

    The first failure cancels the others, waits until they have ended, and is raised itself rather than
    inside an exception group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def guarded(work: Coroutine[Any, Any, ResultT], guard: Coroutine[Any, Any, Any]) -> ResultT:
    """The result of the work, beside which `guard` runs.

    If the guard fails before the work is done, the work is cancelled, and the guard's error is raised.
    """
    tasks = working, guarding = asyncio.ensure_future(work), asyncio.ensure_future(guard)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            guarding.result()
        return await working
    finally:
        await cancelled(*tasks)


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks, and waits until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
