"""The process that an actor runs, without Ray around it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.ray import actor
from deploy.ray.actor import Supervisor
from tests.end_to_end.processes import gone

SERVES = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
json.dump({"address": "0.0.0.0:0"}, open(sys.argv[1], "w"))
print("hello from", sys.argv[2], flush=True)
time.sleep(60)
"""
ENDS = "import sys; print('the reason'); sys.exit(int(sys.argv[1]))"


def supervisor(*arguments: str, ends: bool = False, port: int = 0) -> Supervisor:
    return Supervisor("executor-1", list(arguments), port, ends, "[run]\n", [], "hiper")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_server_is_reached_where_it_was_told_to_listen() -> None:
    server = supervisor("-c", SERVES, "{scratch}/ready.json", "{host}:{port}", port=7123)
    until(lambda: server.address() == "127.0.0.1:7123")
    until(lambda: server.describe()["output"] == "hello from 127.0.0.1:7123")
    assert server.describe()["state"] == "serving"
    assert server.stop(20.0)
    assert server.describe()["state"] == "stopped"


def test_a_refused_configuration_is_kept_for_whoever_asks() -> None:
    server = supervisor("-c", ENDS, "2")
    until(lambda: server.describe()["state"] == "refused")
    assert server.describe()["output"] == "the reason"


def test_finished_work_is_not_started_again() -> None:
    orchestrator = supervisor("-c", ENDS, "0", ends=True)
    until(lambda: orchestrator.describe()["state"] == "finished")


@pytest.mark.parametrize("code", ["0", "1"])
def test_the_actor_ends_with_its_server(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[bool] = []
    monkeypatch.setattr(actor, "_end_actor", lambda: ends.append(True))
    monkeypatch.setattr(actor, "_PAUSE_SECONDS", 0.0)
    supervisor("-c", ENDS, code)
    until(lambda: ends == [True])


def test_a_process_ends_with_the_actor_even_if_it_does_not_watch_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    waits = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    arguments = ("executor-1", ["-c", waits], 0, False, "", [], "hiper")
    source = f"""
import time
from deploy.ray.actor import Supervisor
supervisor = Supervisor(*{arguments!r})
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", source], env=environment) as process:
        until(lambda: pid_file.exists() and pid_file.read_text() != "")
        process.kill()
    until(lambda: gone(int(pid_file.read_text())))


def test_the_sources_sent_to_the_workers_need_nothing_of_ours() -> None:
    imported = Path(actor.__file__).read_text(encoding="utf-8")
    assert "from deploy" not in imported and "from core" not in imported
    assert "ray" not in sys.modules
