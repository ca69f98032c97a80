"""`//orchestrator:serve` as a process with a tiny model: a conversation over HTTP, ended by a signal."""

from __future__ import annotations

import json
import os
import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.end_to_end.processes import SMALL, pids, read_until, start
from tests.end_to_end.tiny import tiny_model


def ask(connection: HTTPConnection, messages: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"model": "tiny", "messages": messages, "seed": 1})
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_pair_is_served_until_a_signal_ends_it_even_if_a_server_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    model = tiny_model(tmp_path / "model")
    exact = tuple(f"--{section}.dtype=float32" for section in ("planner", "executor"))
    options = (f"--model={model}", "--checkpoint=base", "--listen=127.0.0.1:0", "--name=tiny")
    process = start("orchestrator.serve", *SMALL, *exact, *options)
    try:
        output = read_until(process, "serving tiny on http://")
        connection = HTTPConnection(output.rpartition("http://")[2].partition("/")[0], timeout=60)
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "find a mug"},
            {"role": "user", "content": "You are in a room."},
        ]
        status, first = ask(connection, messages)
        assert status == 200, first
        message, usage = first["choices"][0]["message"], first["usage"]
        assert message["decision"] == "switch" and message["subgoal"]
        assert usage["prompt_tokens"] > 0 and 2 <= usage["completion_tokens"] <= 16
        assert ask(connection, messages)[1]["choices"] == first["choices"]
        messages += [message, {"role": "user", "content": "You see a shelf."}]
        status, second = ask(connection, messages)
        assert status == 200, second
        # The same conversation without the subgoals, which are planned again.
        messages[2] = {"role": "assistant", "content": message["content"]}
        status, again = ask(connection, messages)
        assert (status, again["choices"]) == (200, second["choices"])
        assert again["usage"]["total_tokens"] > second["usage"]["total_tokens"]
        status, refused = ask(connection, [{"role": "user", "content": "x" * 100_000}])
        assert (status, refused["error"]["type"]) == (400, "invalid_request_error")
        (folder,) = tmp_path.glob("hiper-serve-*")
        os.kill(pids(folder)["executor"], signal.SIGKILL)
        rest = read_until(process, "serving tiny on http://")
        assert "executor was killed by SIGKILL; started again (1 of 5)" in rest
        assert rest.splitlines()[-1] == output.splitlines()[-1], "it has the same address"
        assert ask(connection, messages) == (200, {**again, "id": ANY, "created": ANY})
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 143
    finally:
        process.kill()
        process.communicate()
