"""`bazel run //orchestrator:serve -- --checkpoint RUN_DIR`: a trained pair behind OpenAI's protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field
from rich.console import Console

from configuration import command
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.files import replace_file
from core.paths import user_path
from core.role import Role
from core.temporary_folder import TemporaryFolder
from environments import registry
from orchestrator.endpoint.agent import Agent
from orchestrator.endpoint.api import Api
from orchestrator.endpoint.current import CurrentModels
from orchestrator.endpoint.http import Endpoint
from orchestrator.preflight.checks import check_settings
from orchestrator.preflight.pools import Machine, lacking
from orchestrator.servers import ending
from orchestrator.servers.connections import Connector, kept_up
from orchestrator.servers.pools import ModelPools, static_directory
from orchestrator.servers.pushing import serve as push
from orchestrator.servers.supervisor import Supervisor
from run_folder import opening, saved_configuration
from run_folder.adapters import AdapterChoice, named, run_of
from run_folder.folder import RunFolder
from serving.rpc.tls import is_loopback


class Flags(Section):
    """Options of this command alone."""

    checkpoint: str = ""
    """Adapters to answer with: a run's folder, one of its checkpoints, a folder with the PEFT folders
    `planner` and `executor`, or `base` (no adapters). Not needed if both servers run already."""
    version: int | None = Field(None, ge=0)
    """Version of a run's adapters; by default the newest."""
    take_over: bool = False
    """Whether to replace the adapters of a run that uses the servers now."""
    listen: str = "127.0.0.1:8000"
    """Address `host:port` of the endpoint; port 0 means a free one."""
    insecure: bool = False
    """Whether the endpoint may listen off loopback, where everyone may use it: it has no certificates."""
    name: str = Field("hiper", min_length=1, pattern=r"^[\w.:@-]+$")
    """Name of the model in requests."""
    ready_file: Path | None = None
    """File written once the endpoint is serving: JSON with `address` and `pid`."""


def serve(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = command.read(argv, "serve", Flags)
    flags = line.flags
    root = run_of(flags.checkpoint, user_path(flags.checkpoint)) if flags.checkpoint else None
    if root is not None and not opening.names_file(argv):
        line = command.read(argv, "serve", Flags, base=saved_configuration.read(root))
    configuration = line.configuration
    host, port = _listen(flags)
    check_settings(configuration)
    there = all(configuration.model_server(role).addresses for role in Role)
    if not flags.checkpoint and not there:
        raise ConfigurationError(
            "nothing to serve: --checkpoint takes a run's folder, one of its checkpoints, a folder with PEFT "
            "folders `planner` and `executor`, or `base`; or --planner.address and --executor.address name "
            "servers that run already"
        )
    choice = named(flags.checkpoint, flags.version) if flags.checkpoint else None
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    folder = TemporaryFolder("hiper-serve-")
    held = opening.hold_unchecked(folder.path, configuration)
    try:
        ending.run(_Served(configuration, flags, choice, held.folder).run(host, port))
    finally:
        held.release()
        folder.close()
    return 0


def _listen(flags: Flags) -> tuple[str, int]:
    """Host and port of the endpoint; off loopback only if that is asked for."""
    host, _, port = flags.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"listen = {flags.listen!r}: host:port is accepted, such as 127.0.0.1:8000")
    if not is_loopback(host) and not flags.insecure:
        raise ConfigurationError(
            f"listen = {flags.listen}: other machines can reach it, and the endpoint has neither "
            "certificates nor passwords. Put a proxy that has them before it, or use --insecure in a network "
            "that you trust as a whole"
        )
    return host.strip("[]"), int(port)


@dataclass(frozen=True)
class _Served:
    """The servers and the endpoint, while they run."""

    configuration: Configuration
    flags: Flags
    choice: AdapterChoice | None
    """Adapters to push; None for what the servers have."""
    folder: RunFolder
    """Folder of the servers' logs."""
    current: CurrentModels = field(default_factory=CurrentModels)

    async def run(self, host: str, port: int) -> None:
        """Serves until it is cancelled.

        Raises:
            HiperError: the servers cannot be started, or have died too often in a row (`pool.restarts`).
        """
        telling = registry.load(self.configuration.environment).telling
        history = max(self.configuration.model_server(role).history for role in Role)
        api = Api(Agent(self.current.bound, telling, history), self.flags.name, self._temperatures())
        endpoint = Endpoint(api, asyncio.get_running_loop())

        async def serve(supervisor: Supervisor) -> None:
            with self.current.answering((await self._pools(supervisor)).bound):
                self._ready(endpoint.address or endpoint.start(host, port))
                await asyncio.Event().wait()

        try:
            await kept_up(self.configuration, _say, serve)
        finally:
            await asyncio.to_thread(endpoint.stop)

    async def _pools(self, supervisor: Supervisor) -> ModelPools:
        """The servers, with the adapters."""
        connector = Connector(self.configuration, self.folder, supervisor, _say)
        for line in lacking(self.configuration, Machine.this(), learner=False):
            _say(line)
        _say(connector.models_announcement)
        connections = await connector.models()
        if self.choice is not None:
            seconds = self.configuration.orchestrator.start_seconds
            await push(self.choice, connections, seconds, self.flags.take_over)
        return ModelPools.of(self.configuration, static_directory(connections))

    def _temperatures(self) -> tuple[float, ...]:
        """Those of the servers that are started here; the others' are not known."""
        settings = (self.configuration.model_server(role) for role in Role)
        return tuple(dict.fromkeys(each.temperature for each in settings if not each.addresses))

    def _ready(self, address: str) -> None:
        if self.flags.ready_file is not None:
            text = json.dumps({"address": address, "pid": os.getpid()})
            replace_file(user_path(self.flags.ready_file), text)
        _say(f"serving {self.flags.name} on http://{address}/v1 (Ctrl-C ends it)")


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    command.main(serve)
