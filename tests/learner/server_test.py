"""The learner as a process: it holds its run's folder, and says that it has failed in every way it can."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc
from hiper.v1 import learner_pb2, learner_pb2_grpc

from configuration.servers import TlsSettings
from serving.rpc.channel import open_channel
from tests.end_to_end.processes import SMALL, read_until, start
from tests.end_to_end.tiny import tiny_model

NOBODY = "127.0.0.1:1"


def learner(folder: Path) -> subprocess.Popen[str]:
    """A learner whose model servers are not there, so that it fails when it publishes its first adapters."""
    return start(
        "learner.server",
        *SMALL,
        f"--model={folder / 'model'}",
        f"--run-dir={folder / 'run'}",
        f"--planner.address={NOBODY}",
        f"--executor.address={NOBODY}",
        "--learner.drain_seconds=0.1",
        "--pool.patience_seconds=0.1",
    )


def test_a_failed_learner_is_not_healthy_says_why_keeps_its_folder_and_ends_with_code_1(
    tmp_path: Path,
) -> None:
    tiny_model(tmp_path / "model")
    first = learner(tmp_path)
    output = read_until(first, "serving on ")
    address = output.rpartition("serving on ")[2].strip()
    read_until(first, "failed: ")
    overall, message = asyncio.run(asked(address))
    assert overall is health_pb2.HealthCheckResponse.NOT_SERVING
    # Both adapters are pushed at the same time; either push may fail first.
    assert re.match(r"no (planner|executor) has been ready for 0\.1 s \(pool.patience_seconds\): ", message)
    assert "127.0.0.1:1 is gone (the " in message and "is not there (" in message

    second = learner(tmp_path)
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
