"""Coroutines that succeed or fail together."""

from __future__ import annotations

import asyncio

import pytest

from core.together import cancelled, guarded, together


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


def test_guarded_work_gives_its_result_and_ends_its_guard() -> None:
    ended: list[str] = []

    async def guard(begun: asyncio.Event) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.append("guard")

    async def work(begun: asyncio.Event) -> int:
        await begun.wait()
        return 1

    async def run() -> int:
        begun = asyncio.Event()
        return await guarded(work(begun), guard(begun))

    assert asyncio.run(run()) == 1
    assert ended == ["guard"]


def test_a_guard_that_fails_cancels_the_work_and_is_heard() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async def guard() -> None:
        await asyncio.sleep(0)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        asyncio.run(guarded(work(), guard()))
    assert ended == ["work"]


def test_cancelled_tasks_have_ended_also_those_that_fail_meanwhile() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("late")

    async def run() -> list[bool]:
        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(asyncio.Event().wait())]
        await asyncio.sleep(0)
        await cancelled(*tasks)
        return [task.done() for task in tasks]

    assert asyncio.run(run()) == [True, True]
