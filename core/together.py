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
