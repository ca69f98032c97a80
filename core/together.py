"""Coroutines that succeed or fail as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def together(*work: Coroutine[Any, Any, ResultT]) -> list[ResultT]:
    """Runs them side by side; their results in this order.

    The first failure cancels the others, which are waited for, and is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
