"""Signals, and runs that are asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from core.errors import HiperError
from core.exit_codes import Interrupted
from orchestrator.run import StopRequest
from orchestrator.servers import ending

NEVER = 3600.0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_work_which_cleans_up(number: signal.Signals, code: int) -> None:
    cleaned = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(NEVER)
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as interruption:
        ending.run(work())
    assert (interruption.value.exit_code, cleaned) == (code, [True])
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_first_signal_asks_and_the_work_ends_by_itself() -> None:
    stop, done = StopRequest(), []

    async def work() -> None:
        asked = asyncio.create_task(stop.asked())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await asked
        done.append(True)

    with pytest.raises(Interrupted):
        ending.run(work(), on_first=stop.ask)
    assert done == [True]


def test_the_second_signal_does_not_wait() -> None:
    stop, done = StopRequest(), []

    async def work() -> None:
        asked = asyncio.create_task(stop.asked())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await asked
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(NEVER)
        done.append(True)

    with pytest.raises(Interrupted):
        ending.run(work(), on_first=stop.ask)
    assert done == []


def test_work_that_ends_and_work_that_fails() -> None:
    async def fails() -> None:
        raise HiperError("no")

    ending.run(asyncio.sleep(0))
    with pytest.raises(HiperError, match="no"):
        ending.run(fails())


def test_a_run_that_does_not_play_yet_has_nothing_to_wait_for() -> None:
    assert not StopRequest().ask()


def test_time_asks_too() -> None:
    asyncio.run(StopRequest(0.01).asked())
