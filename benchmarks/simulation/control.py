"""A learner without a trainer, as a separate process: its store, gate, pools and gRPC services."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.simulation.children import serve
from configuration.servers import TlsSettings
from configuration.tree import Configuration
from core.role import Role
from learner.pool.membership import RunIdentity
from learner.pool.pool import ReplicaPool
from learner.pool.servers import PoolServers
from learner.server import services
from learner.service.admission import Admission
from learner.service.gate import Schedule
from learner.service.published import PublishedAdapters
from learner.service.status import StatusBoard
from run_folder.store import EpisodeStore
from serving.adapters.claims import ServerClaims
from serving.adapters.folder import folder_hash
from serving.adapters.replicas import ReplicaConnections
from serving.adapters.sender import AdapterSender
from serving.model import resolve_model, vocabulary_size
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer
from trajectory.learner_status import Phase

_EPISODES = 10**6
_EPOCH = 1
_PUSH_SECONDS = 300.0


class Control:
    """The learner's control plane."""

    def __init__(self, configuration: Configuration, folder: Path, adapters: dict[Role, Path]) -> None:
        """`adapters` are published, under a new version each time."""
        self._adapters = adapters
        self._model = resolve_model(configuration.learner.model)
        store = EpisodeStore(folder / "episodes", "simulation")
        schedule = Schedule(1, _EPISODES, 1, 0, configuration.learner.lease_seconds, configuration.run.seed)
        self.status = StatusBoard(store.run_id, schedule)
        self._published = PublishedAdapters(_EPOCH)
        self.admission = Admission(
            schedule, store, self.status, vocabulary_size(self._model), time.monotonic, self._published
        )
        identity = RunIdentity(store.run_id, _EPOCH, self._model.fingerprint)
        claims = ServerClaims(store.run_id, f"simulation:{os.getpid()}")
        sender = AdapterSender(store.run_id, identity.base_model, _PUSH_SECONDS, _EPOCH, claims)
        connections = ReplicaConnections(
            lambda role, address: open_channel(address, TlsSettings()), sender, claims, _PUSH_SECONDS
        )
        self.pool = ReplicaPool(
            identity, PoolServers(connections), configuration.pool, configuration.learner.lease_seconds
        )

    async def publish(self, version: int) -> float:
        """Has all servers serve this version; returns the seconds that it took."""
        begun = time.monotonic()
        self._announce(version)
        await asyncio.gather(
            *(
                self.pool.publish(role, version, folder, self.status.report)
                for role, folder in self._adapters.items()
            )
        )
        self._grant(version)
        return time.monotonic() - begun

    def offer(self, version: int) -> None:
        """Grants leases of this version, which no server has."""
        self._announce(version)
        self._grant(version)

    def _announce(self, version: int) -> None:
        self._published.add(version, {role: folder_hash(at).hex() for role, at in self._adapters.items()})

    def _grant(self, version: int) -> None:
        self.status.published(version)
        self.status.show(Phase.GATHERING, "simulation")

    async def members(self, count: int) -> None:
        """Waits until so many servers have registered."""
        while len(self.pool.table().members) < count:
            await asyncio.sleep(0.05)


def main(pipe: Connection, configuration: Configuration, folder: str, adapters: dict[Role, Path]) -> None:
    """Serves; requests are ("publish", version), ("offer", version), ("members", count) and ("cpu",)."""
    logging.disable(logging.WARNING)
    asyncio.run(_main(pipe, Control(configuration, Path(folder), adapters), configuration))


async def _main(pipe: Connection, control: Control, configuration: Configuration) -> None:
    server = GrpcServer(configuration.learner, services(control.admission, control.status, control.pool))
    await server.start()
    running = asyncio.create_task(control.pool.run())
    pipe.send(server.address)

    async def handle(request: tuple[str, int]) -> object:
        match request:
            case ("publish", version):
                return await control.publish(version)
            case ("offer", version):
                control.offer(version)
            case ("members", count):
                await control.members(count)
            case ("cpu", _):
                return time.process_time()
        return None

    try:
        async with control.pool.watched():
            await serve(pipe, handle)
    finally:
        running.cancel()
        await server.drain()
