"""Processes that die and are started again, with small real ones in place of the servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.servers.services import ServiceDiedError, ServiceRefusedError
from orchestrator.servers.supervisor import KeptService, Restarts, Supervisor
from tests.end_to_end.processes import gone
from tests.orchestrator.servers.services_test import READY, UNTIL_PARENT_GOES, spec

COUNT = """import pathlib, sys; lives = pathlib.Path(sys.argv[1] + ".lives")
life = 1 + (int(lives.read_text()) if lives.exists() else 0); lives.write_text(str(life)); """
"""Sets `life` to the number of times that the program was started."""


class Guarded:
    """A supervisor whose pauses take no time, and what it says."""

    def __init__(self, limit: int, steady_seconds: float = 60.0, start_seconds: float = 20.0) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self._settings = Restarts(
            limit,
            steady_seconds,
            start_seconds,
            say=self.said.append,
            sleep=self._pause,
            clock=lambda: self.now,
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def run(self, work: Callable[[Supervisor], Coroutine[Any, Any, None]]) -> None:
        async def guarded() -> None:
            supervisor = Supervisor(20, self._settings)
            try:
                async with asyncio.timeout(60):
                    await supervisor.guard(work(supervisor))
            finally:
                await supervisor.stop()

        asyncio.run(guarded())


async def serving_again(service: KeptService, died: int) -> int:
    """Waits until another process than the one that died is serving; returns its id."""
    while service.pid == died or service.service.written_address() is None:
        await asyncio.sleep(0.01)
    return service.pid


def test_what_was_killed_is_started_again_and_the_work_goes_on(tmp_path: Path) -> None:
    guarded, pids = Guarded(limit=5), list[int]()

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, READY + UNTIL_PARENT_GOES, "executor-1"))
        await service.address(20)
        for _ in range(2):
            pids.append(service.pid)
            os.kill(service.pid, signal.SIGKILL)
            await serving_again(service, pids[-1])
        pids.append(service.pid)

    guarded.run(work)
    assert guarded.said == [
        "executor-1 was killed by SIGKILL; started again (1 of 5)",
        "executor-1 was killed by SIGKILL; started again (2 of 5)",
    ]
    assert guarded.pauses == [0.0, 1.0]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_run_ends_when_the_budget_is_spent_and_says_so(tmp_path: Path) -> None:
    guarded = Guarded(limit=2)
    script = COUNT + "print(f'last words of life {life}', flush=True); " + READY
    failing = script + "\nif life > 1: sys.exit(3)\n" + UNTIL_PARENT_GOES

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, failing))
        await service.address(20)
        os.kill(service.pid, signal.SIGKILL)
        await asyncio.Event().wait()

    with pytest.raises(
        ServiceDiedError, match=r"the planner \(process \d+\) ended with exit code 3"
    ) as caught:
        guarded.run(work)
    assert "last words of life 3" in str(caught.value)
    assert caught.value.__notes__ == ["It was started again 2 times in a row (pool.restarts)"]
    assert guarded.said == [
        "planner was killed by SIGKILL; started again (1 of 2)",
        "planner ended with exit code 3; started again (2 of 2)",
    ]


def test_a_process_that_ran_steadily_begins_to_count_anew(tmp_path: Path) -> None:
    guarded = Guarded(limit=1, steady_seconds=60.0)

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, READY + UNTIL_PARENT_GOES))
        await service.address(20)
        for _ in range(3):
            died = service.pid
            guarded.now += 60.0
            os.kill(died, signal.SIGKILL)
            await serving_again(service, died)

    guarded.run(work)
    assert guarded.said == ["planner was killed by SIGKILL; started again (1 of 1)"] * 3


@pytest.mark.parametrize(
    ("end", "kind"), [("sys.exit(2)", ServiceRefusedError), ("sys.exit(1)", ServiceDiedError)]
)
def test_what_never_served_or_refuses_its_configuration_is_not_started_again(
    tmp_path: Path, end: str, kind: type[ServiceDiedError]
) -> None:
    guarded = Guarded(limit=5)
    served = READY if kind is ServiceRefusedError else ""

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, COUNT + served + end))
        await service.address(20)
        await asyncio.Event().wait()

    with pytest.raises(kind):
        guarded.run(work)
    assert guarded.said == []
    assert (tmp_path / "planner.ready.lives").read_text() == "1"


def test_a_server_that_keeps_its_address_is_told_to_listen_there_again(tmp_path: Path) -> None:
    guarded, words = Guarded(limit=1), tmp_path / "words"
    script = f"import pathlib, sys; pathlib.Path({str(words)!r}).write_text(' '.join(sys.argv[2:]));" + READY

    async def work(supervisor: Supervisor) -> None:
        its = replace(spec(tmp_path, script + UNTIL_PARENT_GOES, "learner"), keeps_address=True)
        service = await supervisor.start(its)
        await service.address(20)
        assert words.read_text() == ""
        died = service.pid
        os.kill(died, signal.SIGKILL)
        await serving_again(service, died)

    guarded.run(work)
    assert words.read_text() == "--learner.listen 127.0.0.1:7"


def test_a_process_that_does_not_serve_after_it_was_started_again_is_killed(tmp_path: Path) -> None:
    guarded = Guarded(limit=1, start_seconds=0.1)

    async def work(supervisor: Supervisor) -> None:
        deaf = COUNT + "life > 1 and sys.stdin.read(); " + READY + UNTIL_PARENT_GOES
        service = await supervisor.start(spec(tmp_path, deaf))
        await service.address(20)
        os.kill(service.pid, signal.SIGKILL)
        await asyncio.Event().wait()

    with pytest.raises(ServiceDiedError, match="was killed by SIGKILL"):
        guarded.run(work)
    assert "the planner did not start within 0.1 s" in guarded.said[1]


def test_processes_that_a_dead_one_has_launched_are_ended_before_it_is_started_again(tmp_path: Path) -> None:
    guarded, child = Guarded(limit=1), tmp_path / "child"
    launch = f"""import pathlib, subprocess
launched = subprocess.Popen(["sleep", "600"]); pathlib.Path({str(child)!r}).write_text(str(launched.pid)); """
    pids: list[int] = []

    async def work(supervisor: Supervisor) -> None:
        service = await supervisor.start(spec(tmp_path, launch + READY + UNTIL_PARENT_GOES))
        await service.address(20)
        pids.append(int(child.read_text()))
        died = service.pid
        os.kill(died, signal.SIGKILL)
        await serving_again(service, died)
        pids.append(int(child.read_text()))
        service.service.kill()

    guarded.run(work)
    for pid in pids:
        assert gone(pid)


def test_those_that_the_others_outlive_are_stopped_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    ends = f"""import signal, pathlib
def told(*_):
    with open({str(order)!r}, "a") as file: file.write(NAME + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
"""

    async def work(supervisor: Supervisor) -> None:
        for name in ("executor", "learner", "planner"):
            script = f"import sys; NAME = {name!r}\n" + ends + READY + UNTIL_PARENT_GOES
            its = replace(spec(tmp_path, script, name), stops_first=name == "learner")
            await (await supervisor.start(its)).address(20)

    Guarded(limit=0).run(work)
    words = order.read_text().split()
    assert words[0] == "learner" and sorted(words) == ["executor", "learner", "planner"]
