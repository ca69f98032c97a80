"""A separate process that calls the learner's control plane as fast as it answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

import grpc
from hiper.v1 import adapter_pb2, episode_pb2, episode_pb2_grpc, pool_pb2, pool_pb2_grpc

from benchmarks.simulation.children import serve
from configuration.servers import TlsSettings
from serving.rpc.channel import open_channel

AT_ONCE = 32
"""Calls in flight."""
_RENEWED = 64
"""Leases that an orchestrator renews with one call."""
_CHANNELS = 4


@dataclass(frozen=True)
class Load:
    """The callers."""

    channels: list[grpc.aio.Channel]
    templates: list[bytes]
    """Episodes that were played, serialised."""

    async def episodes(self, worker: int) -> None:
        """Leases a place and submits an episode for it, as it was played."""
        stub = self._stub(worker)
        lease = (await stub.Lease(episode_pb2.LeaseRequest(holder=f"worker-{worker}"))).lease
        episode = episode_pb2.Episode.FromString(self.templates[lease.number % len(self.templates)])
        episode.number, episode.group, episode.lease_id = lease.number, lease.group, lease.lease_id
        episode.key.attempt, episode.key.seed = lease.attempt, lease.seed
        await stub.Submit(episode_pb2.SubmitRequest(episode=episode))

    async def leases(self, worker: int) -> None:
        await self._stub(worker).Lease(episode_pb2.LeaseRequest(holder=f"worker-{worker}"))

    async def renewals(self, worker: int) -> None:
        ids = [f"lease-{number}" for number in range(_RENEWED)]
        request = episode_pb2.RenewRequest(run_id="simulation", holder=f"worker-{worker}", lease_ids=ids)
        await self._stub(worker).Renew(request)

    async def heartbeats(self, worker: int, base_model: str) -> None:
        replica = pool_pb2.Replica(
            role=adapter_pb2.ROLE_EXECUTOR,
            address=f"10.0.0.{worker}:7002",
            incarnation=f"incarnation-{worker}",
            base_model=base_model,
            healthy=True,
        )
        stub = pool_pb2_grpc.PoolServiceStub(self.channels[worker % len(self.channels)])
        await stub.Register(pool_pb2.RegisterRequest(replica=replica))

    def _stub(self, worker: int) -> Any:
        return episode_pb2_grpc.EpisodeServiceStub(self.channels[worker % len(self.channels)])


async def rate(call: Callable[[int], Awaitable[None]], seconds: float) -> tuple[int, float]:
    """Calls again and again, many at once; number of answers, and seconds that they took."""
    begun, count = time.monotonic(), 0

    async def work(worker: int) -> None:
        nonlocal count
        while time.monotonic() - begun < seconds:
            await call(worker)
            count += 1

    await asyncio.gather(*(work(worker) for worker in range(AT_ONCE)))
    return count, time.monotonic() - begun


def main(pipe: Pipe, learner: str, templates: list[bytes], base_model: str) -> None:
    """Requests are (kind of call, seconds); the answer is that of `rate`."""
    logging.disable(logging.WARNING)
    asyncio.run(_main(pipe, learner, templates, base_model))


async def _main(pipe: Pipe, learner: str, templates: list[bytes], base_model: str) -> None:
    load = Load([open_channel(learner, TlsSettings()) for _ in range(_CHANNELS)], templates)

    async def handle(request: tuple[str, float]) -> tuple[int, float]:
        kind, seconds = request
        if kind == "heartbeats":
            return await rate(lambda worker: load.heartbeats(worker, base_model), seconds)
        return await rate(getattr(load, kind), seconds)

    await serve(pipe, handle)
    for channel in load.channels:
        await channel.close()
