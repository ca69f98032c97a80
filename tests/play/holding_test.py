"""Leases that are renewed while their episodes are played, and end them when they lapse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest

from core.errors import PreconditionError
from play.holding import HeldLeases
from tests.play.answers import lease
from trajectory.lease import Lease

FIRST, SECOND = (replace(lease(number), seconds=30.0) for number in (0, 1))


class Learner:
    """Renews leases at each tick of a clock, but for those that are to lapse."""

    def __init__(self) -> None:
        self.renewed: list[list[str]] = []
        self.to_lapse: set[str] = set()
        self.pauses: list[float] = []
        self._tick = asyncio.Event()
        self._renewed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self._tick.wait()
        self._tick.clear()

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        ids = [each.lease_id for each in leases]
        self.renewed.append(ids)
        self._renewed.set()
        return self.to_lapse.intersection(ids)

    async def tick(self) -> None:
        """A renewal, to its end."""
        self._tick.set()
        await self._renewed.wait()
        self._renewed.clear()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(play: Callable[[Learner, HeldLeases], Coroutine[Any, Any, None]]) -> None:
    async def work() -> None:
        learner = Learner()
        held = HeldLeases(learner.renew, learner.sleep)
        async with asyncio.timeout(20):
            await held.renewed_during(play(learner, held))

    asyncio.run(work())


def test_what_is_held_is_renewed_every_third_of_its_time_until_it_is_released() -> None:
    async def play(learner: Learner, held: HeldLeases) -> None:
        await settled()
        assert learner.pauses == []
        held.hold(FIRST)
        held.hold(SECOND)
        held.hold(lease(2))  # lasts for ever
        await settled()
        await learner.tick()
        held.release(FIRST)
        await learner.tick()
        assert learner.renewed == [["0.0", "1.0"], ["1.0"]]
        assert set(learner.pauses) == {10.0}
        held.release(SECOND)
        learner._tick.set()
        await settled()
        assert len(learner.renewed) == 2

    run(play)


def test_a_lease_that_lapses_ends_its_own_work_alone_and_only_once_it_has_ended_another_begins() -> None:
    ended = []

    async def work(result: str) -> str:
        try:
            await asyncio.sleep(0.01 if result == "whole" else 100)
        finally:
            await asyncio.sleep(0)
            ended.append(result)
        return result

    async def play(learner: Learner, held: HeldLeases) -> None:
        held.hold(FIRST)
        held.hold(SECOND)
        first = asyncio.create_task(held.unless_lapsed(FIRST, work("cut off")))
        second = asyncio.create_task(held.unless_lapsed(SECOND, work("whole")))
        await settled()
        learner.to_lapse = {FIRST.lease_id}
        await learner.tick()
        assert await first is None and ended == ["cut off"]
        assert await second == "whole"

    run(play)


def test_a_worker_that_is_cancelled_cancels_its_work() -> None:
    async def play(learner: Learner, held: HeldLeases) -> None:
        inner = asyncio.Event()
        worker = asyncio.create_task(held.unless_lapsed(FIRST, inner.wait()))
        await settled()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    run(play)


def test_renewals_that_are_refused_end_the_work() -> None:
    async def refused(leases: Sequence[Lease]) -> Collection[str]:
        raise PreconditionError("this learner has run b, not a")

    async def no_time(_: float) -> None:
        await asyncio.sleep(0)

    async def work() -> None:
        held = HeldLeases(refused, no_time)
        held.hold(FIRST)
        with pytest.raises(PreconditionError, match="run b"):
            await held.renewed_during(asyncio.sleep(100))

    asyncio.run(work())
