"""Signals, and runs that are asked to stop."""

from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest
from rich.console import Console

from core.errors import HiperError, UnavailableError
from core.exit_codes import Interrupted
from orchestrator.progress.display import PlainDisplay, summary
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from orchestrator.run import StopRequest, beside
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


def test_a_learner_that_cannot_be_asked_to_stop_is_asked_until_it_confirms() -> None:
    console, pauses, shown = Console(file=io.StringIO(), width=200), list[float](), list[str]()
    tally = Tally()
    report = Report(tally, PlainDisplay(console, tally, 4))
    answers = [UnavailableError("not there"), HiperError("no answer"), None]

    async def ask() -> None:
        if answer := answers.pop(0):
            raise answer

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        shown.append(summary(tally, 4))

    asyncio.run(StopRequest(sleep=sleep).hand_on(ask, report.not_stopping_yet))
    assert pauses == [5.0, 5.0]
    assert all(text.endswith("the learner has not confirmed yet that it stops") for text in shown)
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.rpartition(": ")[2] for line in said] == ["not there", "no answer"]
    report.stop_confirmed()
    assert "confirmed" not in summary(tally, 4)


def test_what_makes_the_request_fail_is_not_hidden() -> None:
    async def broken() -> None:
        raise TypeError("a mistake")

    async def played() -> None:
        async with beside(broken()):
            await asyncio.sleep(0)

    with pytest.raises(TypeError, match="a mistake"):
        asyncio.run(played())
