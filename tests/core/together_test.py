"""Coroutines that succeed or fail together."""

from __future__ import annotations

import asyncio

import pytest

from core.together import together


async def value(number: int, after: asyncio.Event | None = None) -> int:
    if after is not None:
        await after.wait()
    return number


def test_results_are_in_the_given_order_whoever_ends_first() -> None:
    async def run() -> list[int]:
        last = asyncio.Event()

        async def second() -> int:
            last.set()
            return 2

        return await together(value(1, last), second(), value(3))

    assert asyncio.run(run()) == [1, 2, 3]


def test_nothing_has_no_results() -> None:
    assert asyncio.run(together()) == []


def test_the_first_failure_is_raised_itself_after_the_others_have_ended() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def failing() -> None:
        raise KeyError("mug")

    with pytest.raises(KeyError, match="mug") as caught:
        asyncio.run(together(waiting(), failing(), waiting()))
    assert ended == ["waiting", "waiting"]
    assert caught.value.__cause__ is None


def test_of_two_failures_the_first_is_raised() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def first() -> None:
            begun.set()
            raise ValueError("first")

        async def second() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("second")

        await together(second(), first())

    with pytest.raises(ValueError, match="first"):
        asyncio.run(run())


def test_cancelling_cancels_all() -> None:
    ended = []

    async def waiting(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def run() -> None:
        task = asyncio.create_task(together(waiting("a"), waiting("b")))
        while len(asyncio.all_tasks()) < 4:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert sorted(ended) == ["a", "b"]
