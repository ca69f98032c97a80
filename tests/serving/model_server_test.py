"""Both model servers as the processes that they are, with the bundled model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from hiper.v1 import (
    adapter_pb2,
    adapter_pb2_grpc,
    episode_pb2,
    executor_pb2,
    executor_pb2_grpc,
    planner_pb2,
    planner_pb2_grpc,
)

from configuration.servers import TlsSettings
from serving.rpc.channel import open_channel, wait_healthy

ACTIONS = ("go to shelf 1", "go to shelf 2", "help", "look")
SECONDS = 120


@dataclass
class Process:
    """A server, and what it said of itself."""

    popen: subprocess.Popen[Any]
    ready: dict[str, object]


def command(role: str, *options: str) -> list[str]:
    return [sys.executable, "-m", f"{role}.server", *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module", params=["planner", "executor"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    role, ready = request.param, tmp_path_factory.mktemp(request.param) / "ready.json"
    small = (f"--{role}.context_length", "512", f"--{role}.max_new_tokens", "8")
    popen = subprocess.Popen(
        command(role, "--ready-file", str(ready), "--exit-with-parent", *small),
        stdin=subprocess.PIPE,
        env=environment(),
    )
    try:
        asyncio.run(_until_ready(popen, ready))
        yield Process(popen, json.loads(ready.read_text()))
    finally:
        popen.kill()
        popen.wait()


async def _until_ready(popen: subprocess.Popen[Any], ready: Path) -> None:
    async with asyncio.timeout(SECONDS):
        while not ready.exists():
            assert popen.poll() is None, "the server has ended"
            await asyncio.sleep(0.05)


def turn(**changes: object) -> episode_pb2.TurnContext:
    fields = {"goal": "put a mug in the sink", "observation": "You see shelf 1.", "subgoal": "find a mug"}
    return episode_pb2.TurnContext(**{**fields, "turn": 2, **changes})


async def answers(process: Process, context: episode_pb2.TurnContext, **fields: object) -> list:
    """Two responses to the same request, from whichever role the server has."""
    async with open_channel(str(process.ready["address"]), TlsSettings()) as channel:
        await wait_healthy(channel, SECONDS)
        state = await adapter_pb2_grpc.AdapterServiceStub(channel).GetState(
            adapter_pb2.GetStateRequest(), timeout=SECONDS
        )
        if state.role == adapter_pb2.ROLE_PLANNER:
            call = planner_pb2_grpc.PlannerServiceStub(channel).Plan
            request = planner_pb2.PlanRequest(context=context, seed=5, **fields)
        else:
            call = executor_pb2_grpc.ExecutorServiceStub(channel).Act
            request = executor_pb2.ActRequest(context=context, seed=5, admissible_actions=ACTIONS, **fields)
        return list(await asyncio.gather(*(call(request, timeout=SECONDS) for _ in range(2))))


def test_the_ready_file_names_the_process(server: Process) -> None:
    assert server.ready["pid"] == server.popen.pid


@pytest.mark.parametrize("number", [0, 2])
def test_a_turn_is_answered_from_the_base_model(server: Process, number: int) -> None:
    first, second = asyncio.run(answers(server, turn(turn=number)))
    generation = first.generation
    assert generation.adapter_version == -1
    assert 0 < len(generation.token_ids) == len(generation.logprobs) <= 8
    assert generation.prompt_ids == second.generation.prompt_ids
    assert generation.engine_seconds > 0


def test_only_the_prompt_is_rendered_when_that_is_asked_for(server: Process) -> None:
    rendered, _ = asyncio.run(answers(server, turn(), prompt_only=True))
    sampled, _ = asyncio.run(answers(server, turn()))
    assert rendered.generation.prompt_ids == sampled.generation.prompt_ids
    assert not rendered.generation.token_ids


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (turn(goal=""), "goal"),
        (turn(subgoal=" "), "subgoal"),
        (turn(goal="word " * 3000), "tokens"),
    ],
)
def test_bad_requests_are_refused_and_the_next_is_answered(
    server: Process, context: episode_pb2.TurnContext, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(answers(server, context))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()
    asyncio.run(answers(server, turn()))


def test_a_huge_observation_is_cut_and_a_larger_message_is_refused(server: Process) -> None:
    first, _ = asyncio.run(answers(server, turn(observation="You see a mug. " * 66_667)))
    assert len(first.generation.prompt_ids) <= 512
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(answers(server, turn(observation="You see a mug. " * 300_000)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_memory_stays_below_a_gigabyte_and_a_half(server: Process) -> None:
    status = Path(f"/proc/{server.popen.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 1.5 * 1024 * 1024


def test_it_ends_with_its_parent_or_at_a_signal(server: Process) -> None:
    assert server.popen.stdin is not None
    if "planner.server" in server.popen.args:
        server.popen.stdin.close()
    else:
        server.popen.send_signal(signal.SIGTERM)
    assert server.popen.wait(SECONDS) == 0


ENGINE = """
from configuration import command
from planner import server
from serving.embedded.runner import ModelRunner

def fail(*_):
    {fault}

ModelRunner.forward = fail
command.main(server.main)
"""


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            'raise SystemExit("the test ends this thread")',
            "error: the thread that runs the model has ended: SystemExit",
        ),
        (
            "import threading; threading.Event().wait()",
            "error: the model has computed nothing for 0.5 s although",
        ),
    ],
)
def test_a_server_whose_engine_has_died_or_hangs_ends_with_code_1(
    tmp_path: Path, fault: str, reason: str
) -> None:
    ready = tmp_path / "ready.json"
    popen = subprocess.Popen(
        [
            sys.executable,
            "-c",
            ENGINE.format(fault=fault),
            "--ready-file",
            str(ready),
            "--exit-with-parent",
            "--planner.stuck_seconds=0.5",
        ],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        asyncio.run(_until_ready(popen, ready))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            asyncio.run(answers(Process(popen, json.loads(ready.read_text())), turn()))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert popen.wait(SECONDS) == 1
        assert popen.stderr is not None
        assert reason in popen.stderr.read()
    finally:
        popen.kill()
        popen.wait()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--planner.model", "/no/such/folder"), "/no/such/folder"),
        (("--planner.modle", "bundled"), "planner.model"),
        (("--planner.adapter", "/no/such/adapter"), "/no/such/adapter"),
    ],
)
def test_what_cannot_work_ends_with_code_2_and_a_reason(options: tuple[str, ...], message: str) -> None:
    same_model = ("--executor.model", options[1], "--learner.model", options[1])
    extra = same_model if options[0] == "--planner.model" else ()
    run = subprocess.run(
        command("planner", *options, *extra),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr
