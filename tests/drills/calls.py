"""Load for a model server: greedy calls whose answers by each adapter are known beforehand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from hiper.v1 import episode_pb2, planner_pb2, planner_pb2_grpc

Answer = tuple[int, ...]
"""Token ids."""

_SECONDS = 30.0
_ERRORS_SHOWN = 3
REQUESTS = tuple(
    planner_pb2.PlanRequest(
        context=episode_pb2.TurnContext(
            goal=f"put a {thing} in the sink",
            turn=1,
            observation=f"You see a {thing} and a shelf.",
            subgoal=f"find a {thing}",
            subgoal_age=1,
        )
    )
    for thing in ("mug", "lamp", "soap bar", "knife", "book", "key chain", "egg", "tomato")
)


async def asked(channel: grpc.aio.Channel, request: planner_pb2.PlanRequest) -> tuple[int, Answer]:
    """The version that answered, and its answer."""
    answer = await planner_pb2_grpc.PlannerServiceStub(channel).Plan(request, timeout=_SECONDS)
    return answer.generation.adapter_version, tuple(answer.generation.token_ids)


async def answers(channel: grpc.aio.Channel) -> tuple[Answer, ...]:
    """The answers to all of `REQUESTS` by the version that is served."""
    return tuple([(await asked(channel, request))[1] for request in REQUESTS])


@dataclass
class Load:
    """Calls that were made beside a drill."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: int = 0
    """Answers other than those that the version they name gives alone."""
    slowest: float = 0.0
    """Longest time of an answer in seconds."""

    @property
    def fine(self) -> bool:
        return self.answered > 0 and not self.failed and not self.wrong

    def __str__(self) -> str:
        failed = "".join(f"; {words}" for words in self.failed[:_ERRORS_SHOWN])
        return f"{self.answered:,} calls answered, {len(self.failed)} failed, {self.wrong} mixed{failed}"


@asynccontextmanager
async def load(
    channel: grpc.aio.Channel, known: Callable[[int], Mapping[int, Answer]], at_once: int = 8
) -> AsyncIterator[Load]:
    """Calls without pause, `at_once` at a time, until the block ends.

    Args:
        channel: To the planner.
        known: The answers of a version, by the number of the request.
        at_once: Number of callers.
    """
    made, ended = Load(), asyncio.Event()

    async def caller(first: int) -> None:
        number = first
        while not ended.is_set():
            number, began = (number + 1) % len(REQUESTS), time.monotonic()
            try:
                version, answer = await asked(channel, REQUESTS[number])
            except grpc.aio.AioRpcError as error:
                made.failed.append(f"{error.code().name}: {error.details()}")
                continue
            made.answered += 1
            made.slowest = max(made.slowest, time.monotonic() - began)
            made.wrong += known(version)[number] != answer

    callers = [asyncio.ensure_future(caller(first)) for first in range(at_once)]
    try:
        yield made
    finally:
        ended.set()
        await asyncio.gather(*callers)
