"""A call of 20 seconds between two hosts: `slow_call.py serve|call ADDRESS CERTIFICATE KEY AUTHORITY`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from hiper.v1 import planner_pb2_grpc
from prometheus_client import CollectorRegistry

from benchmarks.simulation.engine import LatencyModel, WaitingEngine
from configuration.servers import PlannerSettings, TlsSettings
from planner.server import service
from serving.model import load_tokenizer, resolve_model
from serving.rpc.channel import Keepalive, open_channel
from serving.rpc.server import GrpcServer
from tests.drills.calls import REQUESTS

SECONDS = 20.0
_KEEPALIVE = Keepalive(seconds=2.0, timeout=2.0)
"""That of the orchestrator's calls."""


async def serve(address: str, tls: TlsSettings) -> None:
    """A planner whose answers take 20 seconds."""
    tokenizer = load_tokenizer(resolve_model("bundled").path)
    latency = LatencyModel(prompt_token=0.0, step=SECONDS, sequence=0.0)
    engine = WaitingEngine(latency, (tokenizer.eos_token_id,), 1024, 8)
    settings = PlannerSettings(listen=address, tls=tls)
    server = GrpcServer(settings, (service(engine, tokenizer, settings),), CollectorRegistry())
    await server.start()
    print("serving", flush=True)
    await asyncio.Event().wait()


async def call(address: str, tls: TlsSettings) -> None:
    """Prints the seconds that the answer took."""
    channel = open_channel(address, tls, _KEEPALIVE)
    begun = time.monotonic()
    await planner_pb2_grpc.PlannerServiceStub(channel).Plan(REQUESTS[0], timeout=3 * SECONDS)
    print(f"{time.monotonic() - begun:.1f}", flush=True)
    await channel.close()


if __name__ == "__main__":
    kind, where, *files = sys.argv[1:]
    names = ("certificate", "key", "authority")
    own = TlsSettings(**dict(zip(names, map(Path, files), strict=True)))
    asyncio.run(serve(where, own) if kind == "serve" else call(where, own))
