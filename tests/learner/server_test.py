"""The learner as a process: its folder, its failures, and the model servers that register with it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc
from hiper.v1 import learner_pb2, learner_pb2_grpc, pool_pb2, pool_pb2_grpc

from configuration.servers import TlsSettings
from core.role import Role
from serving.rpc.channel import open_channel
from tests.end_to_end.processes import SMALL, ModelServer, read_until, start
from tests.end_to_end.tiny import tiny_model
from trajectory.pool import MemberState, PoolTable
from trajectory.pool_wire import table_from_pb

NOBODY = "127.0.0.1:1"


def learner(folder: Path, *options: str) -> subprocess.Popen[str]:
    return start(
        "learner.server",
        *SMALL,
        f"--model={folder / 'model'}",
        f"--run-dir={folder / 'run'}",
        "--learner.drain_seconds=0.1",
        *options,
    )


def lonely(folder: Path) -> subprocess.Popen[str]:
    """A learner whose model servers are not there, so that it fails when it publishes its first adapters."""
    nobody = (f"--planner.address={NOBODY}", f"--executor.address={NOBODY}")
    return learner(folder, *nobody, "--pool.patience_seconds=0.1")


def test_a_failed_learner_is_not_healthy_says_why_keeps_its_folder_and_ends_with_code_1(
    tmp_path: Path,
) -> None:
    tiny_model(tmp_path / "model")
    first = lonely(tmp_path)
    output = read_until(first, "serving on ")
    address = output.rpartition("serving on ")[2].strip()
    read_until(first, "failed: ")
    overall, message = asyncio.run(asked(address))
    assert overall is health_pb2.HealthCheckResponse.NOT_SERVING
    # Both adapters are pushed at the same time; either push may fail first.
    assert re.match(r"no (planner|executor) has been ready for 0\.1 s \(pool.patience_seconds\): ", message)
    assert "127.0.0.1:1 is gone (the " in message and "is not there (" in message

    second = lonely(tmp_path)
    refusal, _ = second.communicate()
    assert second.returncode == 2, refusal
    assert f"error: process {first.pid} trains in {tmp_path / 'run'} now" in refusal

    first.terminate()
    rest, _ = first.communicate()
    assert first.returncode == 1, rest
    assert f"error: {message}" in rest


async def asked(address: str) -> tuple[int, str]:
    """Health of the whole server, and the message of the learner's status."""
    async with open_channel(address, TlsSettings()) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        whole = await health.Check(health_pb2.HealthCheckRequest())
        status = await learner_pb2_grpc.LearnerServiceStub(channel).GetStatus(learner_pb2.GetStatusRequest())
        return whole.status, status.message


def test_model_servers_register_are_pushed_to_and_say_when_they_drain(tmp_path: Path) -> None:
    tiny_model(tmp_path / "model")
    pace = ("--pool.heartbeat_seconds=0.2", "--pool.expiry_seconds=600")
    process = learner(tmp_path, *pace)
    output = read_until(process, "serving on ")
    address = output.rpartition("serving on ")[2].strip()
    read_until(process, "is known: waiting for one to register")
    options = (f"--model={tmp_path / 'model'}", f"--learner.address={address}", *pace)
    servers = [ModelServer.start(role, *options) for role in ("planner", "executor")]
    read_until(process, "gathering for update 1")
    before = asyncio.run(table(address))
    assert before.version == 0
    assert {m.replica.address for role in Role for m in before.ready(role)} == {s.address for s in servers}
    servers[0].process.terminate()
    assert servers[0].process.wait() == 0
    after = asyncio.run(table(address))
    assert [m.state for m in after.members if m.replica.role is Role.PLANNER] == [MemberState.DRAINING]
    servers[1].stop()
    process.terminate()
    rest, _ = process.communicate()
    assert process.returncode == 0, rest


async def table(address: str) -> PoolTable:
    async with open_channel(address, TlsSettings()) as channel:
        stub = pool_pb2_grpc.PoolServiceStub(channel)
        (only,) = [each async for each in stub.WatchPool(pool_pb2.WatchPoolRequest(once=True), timeout=20)]
        return table_from_pb(only)
