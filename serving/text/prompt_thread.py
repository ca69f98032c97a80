"""Renders prompts in a thread, so that the event loop can answer other calls and health checks meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class PromptThread:
    """Renders one prompt at a time, because tokenizers are not made for use by several threads."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prompts")

    async def run(
        self,
        render: Callable[ArgumentsT, ResultT],
        *arguments: ArgumentsT.args,
        **named: ArgumentsT.kwargs,
    ) -> ResultT:
        """The result of `render`; a call that is cancelled while it is waiting is not rendered."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: render(*arguments, **named))
