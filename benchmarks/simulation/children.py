"""Processes that are told what to do over a pipe."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

Handler = Callable[[Any], Awaitable[Any]]
"""Answers a request."""

_END = "end"


@dataclass(frozen=True)
class Child:
    """A process that answers one request after the other."""

    pipe: Connection

    def ask(self, request: Any) -> Any:
        """Its answer to a request."""
        self.pipe.send(request)
        return self.answer()

    def answer(self) -> Any:
        """Its next answer; an exception that it sends is raised."""
        answer = self.pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    """A process that runs `target(pipe, *arguments)`, and ends with the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(theirs, *arguments), daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Child(ours)
        ours.send(_END)
        process.join(30)
    finally:
        process.kill()
        process.join()
        ours.close()


async def serve(pipe: Connection, handler: Handler) -> None:
    """Answers requests until the other side has had enough."""
    while (request := await asyncio.to_thread(pipe.recv)) != _END:
        try:
            pipe.send(await handler(request))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
