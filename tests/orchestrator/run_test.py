"""Asking a run to end, and work that is done beside other work."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import HiperError, UnavailableError
from orchestrator.run import StopRequest, beside


def test_nobody_can_be_asked_before_the_run_plays_and_only_once_while_it_does() -> None:
    async def work() -> list[bool]:
        stop = StopRequest()
        answers = [stop.ask()]
        waiting = asyncio.create_task(stop.asked())
        await asyncio.sleep(0)
        answers += [stop.ask(), stop.ask()]
        await waiting
        return [*answers, stop.ask()]

    assert asyncio.run(work()) == [False, True, False, False]


def test_a_run_with_a_limit_on_its_time_ends_without_being_asked() -> None:
    async def work() -> bool:
        stop = StopRequest(seconds=0)
        await stop.asked()
        return stop.ask()

    assert asyncio.run(work()) is False


class Learner:
    """Refuses to stop so many times."""

    def __init__(self, refusals: int) -> None:
        self._left = refusals
        self.paused: list[float] = []
        self.told: list[HiperError] = []

    async def stop(self) -> None:
        if self._left:
            self._left -= 1
            raise UnavailableError(f"{self._left} more")

    async def sleep(self, seconds: float) -> None:
        self.paused.append(seconds)


def test_a_learner_that_cannot_be_asked_is_asked_again_after_five_seconds() -> None:
    learner = Learner(refusals=2)
    asyncio.run(StopRequest(sleep=learner.sleep).hand_on(learner.stop, learner.told.append))
    assert [str(error) for error in learner.told] == ["1 more", "0 more"]
    assert learner.paused == [5.0, 5.0]


def test_a_learner_that_has_forgotten_is_asked_again_until_the_run_ends() -> None:
    learner, asked = Learner(refusals=1), 0

    async def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise asyncio.CancelledError
        await learner.stop()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(StopRequest(sleep=learner.sleep).repeat(stop))
    assert learner.paused == [5.0, 5.0, 5.0]


def test_a_defect_while_stopping_is_not_asked_again() -> None:
    async def stop() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(StopRequest().hand_on(stop, lambda _: None))


async def never(began: list[str]) -> None:
    began.append("began")
    try:
        await asyncio.Event().wait()
    finally:
        began.append("ended")


async def failing() -> None:
    raise HiperError("beside")


def test_work_beside_a_block_ends_with_it() -> None:
    async def work() -> list[str]:
        seen: list[str] = []
        async with beside(never(seen)):
            await asyncio.sleep(0)
            seen.append("block")
        return seen

    assert asyncio.run(work()) == ["began", "block", "ended"]


def test_the_block_s_own_failure_is_raised_and_the_work_given_up() -> None:
    seen: list[str] = []

    async def work() -> None:
        async with beside(never(seen)):
            await asyncio.sleep(0)
            raise HiperError("block")

    with pytest.raises(HiperError, match="block"):
        asyncio.run(work())
    assert seen == ["began", "ended"]


@pytest.mark.parametrize(("in_block", "raised"), [(None, "beside"), (HiperError("block"), "block")])
def test_work_that_failed_fails_the_block_unless_that_failed_itself(
    in_block: HiperError | None, raised: str
) -> None:
    async def work() -> None:
        async with beside(failing()):
            await asyncio.sleep(0)
            if in_block:
                raise in_block

    with pytest.raises(HiperError, match=raised):
        asyncio.run(work())
