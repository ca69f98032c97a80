"""Processes of a run, with small real ones in place of the servers."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import HiperError, UnavailableError
from orchestrator.servers.services import (
    Service,
    ServiceDiedError,
    ServiceRefusedError,
    ServiceSpec,
    last_lines,
    server_command,
    shorten,
)
from orchestrator.servers.supervisor import Supervisor

READY = """import json, os, sys, pathlib; ready = sys.argv[1]; beside = pathlib.Path(ready + ".new")
beside.write_text(json.dumps({"address": "127.0.0.1:7", "pid": os.getpid()})); os.replace(beside, ready); """
UNTIL_PARENT_GOES = "sys.stdin.read()"


def spec(folder: Path, script: str, name: str = "planner") -> ServiceSpec:
    ready = folder / f"{name}.ready"
    return ServiceSpec(name, (sys.executable, "-c", script, str(ready)), folder / f"{name}.log", ready)


def test_an_address_is_read_and_the_process_ends_on_request(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)
        service = await supervisor.start(spec(tmp_path, READY + UNTIL_PARENT_GOES))
        assert await service.address(20) == "127.0.0.1:7"
        await supervisor.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(service.pid, 0)

    asyncio.run(work())


def test_the_address_that_a_server_of_a_killed_run_writes_late_is_not_taken(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    after = f"import pathlib, time\nwhile not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n"

    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)
        its = spec(tmp_path, after + READY + UNTIL_PARENT_GOES)
        service = await supervisor.start(its)
        its.ready_file.write_text(json.dumps({"address": "127.0.0.1:1", "pid": os.getpid()}))
        reading = asyncio.ensure_future(service.address(20))
        await asyncio.sleep(0)
        go_on.touch()
        assert await reading == "127.0.0.1:7"
        await supervisor.stop()

    asyncio.run(work())


def test_a_killed_process_ends_the_work_and_is_named(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)

        async def kill() -> None:
            service = await supervisor.start(
                spec(tmp_path, "print('last words', flush=True); " + READY + UNTIL_PARENT_GOES)
            )
            await service.address(20)
            os.kill(service.pid, signal.SIGKILL)
            await asyncio.Event().wait()

        try:
            await supervisor.guard(kill())
        finally:
            await supervisor.stop()

    with pytest.raises(
        ServiceDiedError, match=r"the planner \(process \d+\) was killed by SIGKILL"
    ) as failure:
        asyncio.run(work())
    assert "last words" in str(failure.value)
    assert failure.value.brief == "planner was killed by SIGKILL"


def test_a_process_that_gives_up_at_once_shows_its_message(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)

        async def start() -> None:
            service = await supervisor.start(spec(tmp_path, "import sys; sys.exit('port 5001 is in use')"))
            await service.address(20)

        try:
            await supervisor.guard(start())
        finally:
            await supervisor.stop()

    with pytest.raises(ServiceDiedError, match="(?s)ended with exit code 1.*port 5001 is in use") as failure:
        asyncio.run(work())
    assert not isinstance(failure.value, ServiceRefusedError)


def test_a_process_that_refuses_what_it_was_asked_for_makes_the_run_refuse_it(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)

        async def start() -> None:
            program = "import sys; print('no such model'); sys.exit(2)"
            await (await supervisor.start(spec(tmp_path, program))).address(20)

        try:
            await supervisor.guard(start())
        finally:
            await supervisor.stop()

    with pytest.raises(ServiceRefusedError, match="(?s)ended with exit code 2.*no such model"):
        asyncio.run(work())


def test_a_death_explains_the_failed_call_that_it_caused(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)

        async def call() -> None:
            service = await supervisor.start(spec(tmp_path, READY + UNTIL_PARENT_GOES))
            await service.address(20)
            os.kill(service.pid, signal.SIGKILL)
            raise UnavailableError("the planner at 127.0.0.1:7 is not there")

        try:
            await supervisor.guard(call())
        finally:
            await supervisor.stop()

    with pytest.raises(ServiceDiedError, match="SIGKILL"):
        asyncio.run(work())


def test_a_process_that_never_listens(tmp_path: Path) -> None:
    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)
        service = await supervisor.start(spec(tmp_path, "import sys; " + UNTIL_PARENT_GOES))
        try:
            await service.address(seconds=0.1)
        finally:
            await supervisor.stop()

    with pytest.raises(
        HiperError, match=r"the planner did not start within 0.1 s \(--orchestrator.start_seconds\)"
    ):
        asyncio.run(work())


def test_a_process_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "

    async def work() -> int:
        service = await Service.start(spec(tmp_path, deaf + READY + UNTIL_PARENT_GOES))
        await service.address(20)
        await service.stop(seconds=0.1)
        return service.pid

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(work()), 0)


def test_work_that_ends_well_ends_well(tmp_path: Path) -> None:
    done = []

    async def work() -> None:
        supervisor = Supervisor(stop_seconds=20)

        async def succeed() -> None:
            service = await supervisor.start(spec(tmp_path, READY + UNTIL_PARENT_GOES))
            done.append(await service.address(20))

        await supervisor.guard(succeed())
        await supervisor.stop()

    asyncio.run(work())
    assert done == ["127.0.0.1:7"]


PARENT = """
import asyncio, os, pathlib, sys
from orchestrator.servers.services import Service, ServiceSpec

async def main():
    folder, script = pathlib.Path(sys.argv[1]), sys.argv[2]
    ready = folder / "ready"
    command = (sys.executable, "-c", script, str(ready))
    service = await Service.start(ServiceSpec("planner", command, folder / "log", ready))
    await service.address(20)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def test_servers_end_with_us_even_where_we_are_killed(tmp_path: Path) -> None:
    held = tmp_path / "held"
    lock = f"import fcntl; held = open({str(held)!r}, 'w'); fcntl.flock(held, fcntl.LOCK_EX); "
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = lock + READY + UNTIL_PARENT_GOES
    died = subprocess.run([sys.executable, "-c", PARENT, str(tmp_path), child], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    with held.open() as file:
        # The child holds the lock as long as it lives: this returns when it is gone.
        fcntl.flock(file, fcntl.LOCK_EX)


def test_the_command_runs_in_this_interpreter(tmp_path: Path) -> None:
    command = server_command(
        "learner.server", tmp_path / "c.toml", tmp_path / "r", {"planner.address": "h:1"}
    )
    assert command[:3] == (sys.executable, "-m", "learner.server")
    assert command[-2:] == ("--planner.address", "h:1")
    assert "--exit-with-parent" in command


def test_the_end_of_a_log_is_read_from_its_end(tmp_path, monkeypatch):
    log = tmp_path / "planner.log"
    with log.open("wb") as file:
        file.truncate(2**33)  # Sparse: nothing of it is on disk, and reading it whole would take 8 GiB.
        file.seek(2**33)
        file.write(b"\nthe last but one\nthe \xff last\n")
    assert last_lines(log, 2) == "    the last but one\n    the \N{REPLACEMENT CHARACTER} last"
    assert last_lines(tmp_path / "none.log") == "    (empty)"


def test_a_long_log_is_moved_while_its_process_appends_to_it(tmp_path):
    log = tmp_path / "planner.log"
    with log.open("ab", buffering=0) as process:
        process.write(b"a" * 50 + b"\n")
        assert not shorten(log, most=100)
        process.write(b"b" * 60 + b"\n")
        assert shorten(log, most=100)
        process.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "planner.log.1").read_bytes() == b"a" * 50 + b"\n" + b"b" * 60 + b"\n"
    assert not shorten(tmp_path / "none.log")
