"""Connections to servers, both to those that run elsewhere and to those that are started here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hiper.v1 import learner_pb2

from configuration.servers import ServerSettings
from configuration.tree import Configuration
from core.errors import UnavailableError
from core.seeds import derive
from core.together import together
from environments.benchmark import Benchmark
from orchestrator.clients.identity import check_role
from orchestrator.clients.models import CallTime, ExecutorClient, PlannerClient
from orchestrator.servers.services import ServiceSpec, Supervisor, server_command
from play.players import Players
from run_folder.folder import RunFolder
from serving.rpc.channel import open_channel, wait_healthy
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from trajectory.episode import Turn

_TELLS_FAILURES = {"learner": (learner_pb2.DESCRIPTOR.services_by_name["LearnerService"].full_name,)}
"""Services that are healthy while their server has failed, because they say why."""
_STOP_MARGIN = 5.0
"""Seconds beyond a server's own drain time before it is killed."""


@dataclass(frozen=True)
class ModelConnections:
    """Connections to both model servers, with the time spent waiting for them."""

    planner: Connection
    executor: Connection
    planner_time: CallTime = field(default_factory=CallTime)
    executor_time: CallTime = field(default_factory=CallTime)

    def players(
        self,
        configuration: Configuration,
        benchmark: Benchmark,
        final_prompts: bool = False,
        on_turn: Callable[[Turn], None] = lambda _: None,
        fenced: bool = False,
    ) -> Players:
        """The players for episodes of this benchmark; `final_prompts` are needed by some estimators.

        With `fenced`, they are answered by adapters of the lease's version or later ones only.
        """
        return Players(
            planner=PlannerClient(self.planner, self.planner_time),
            executor=ExecutorClient(self.executor, self.executor_time),
            benchmark=benchmark,
            history=max(configuration.planner.history, configuration.executor.history),
            final_prompts=final_prompts,
            on_turn=on_turn,
            fenced=fenced,
        )


@dataclass(frozen=True)
class Connector:
    """Makes the connections of a configuration; servers that it starts are supervised."""

    configuration: Configuration
    folder: RunFolder
    """Folder of the servers' logs, and of the configuration that they read."""
    supervisor: Supervisor

    async def models(self) -> ModelConnections:
        """Connections to planner and executor, which are started at the same time."""
        planner, executor = await together(*(self.connected(name) for name in ("planner", "executor")))
        return ModelConnections(planner, executor)

    async def connected(self, name: str, overrides: Mapping[str, str] | None = None) -> Connection:
        """A connection to a healthy server, which is started unless the configuration has its address.

        Raises:
            HiperError: no server can be reached, or it has another role.
        """
        address = section(self.configuration, name).address
        if address is None:
            address = await self._start(name, overrides or {})
        return await connect(self.configuration, name, address)

    async def _start(self, name: str, overrides: Mapping[str, str]) -> str:
        """Starts a server and returns its address."""
        ready_file = self.folder.ready_file(name)
        command = server_command(f"{name}.server", self.folder.configuration, ready_file, overrides)
        service = await self.supervisor.start(ServiceSpec(name, command, self.folder.log(name), ready_file))
        return await service.address(self.configuration.orchestrator.start_seconds)


async def connect(configuration: Configuration, name: str, address: str) -> Connection:
    """Connects to the server of section `name` at `address`, and waits until it is healthy.

    Raises:
        HiperError: no server can be reached, or it has another role.
    """
    settings = configuration.orchestrator
    channel = open_channel(address, section(configuration, name).tls)
    policy = RetryPolicy(settings.patience_seconds, seed=derive(configuration.run.seed, "retry", name))
    connection = Connection(channel, Server(name, address), settings.call_seconds, policy)
    try:
        await _healthy(connection, settings.start_seconds)
        await check_role(connection)
    except BaseException:
        await channel.close()
        raise
    return connection


async def _healthy(connection: Connection, seconds: float) -> None:
    server = connection.server
    try:
        await wait_healthy(connection.channel, seconds, *_TELLS_FAILURES.get(server.section, ()), "")
    except UnavailableError as error:
        raise UnavailableError(f"{server} is not there: {error}") from error


@asynccontextmanager
async def supervised(configuration: Configuration, say: Callable[[str], None]) -> AsyncIterator[Supervisor]:
    """A supervisor whose services are stopped at the end of the block."""
    sections = (section(configuration, name) for name in ("planner", "executor", "learner"))
    supervisor = Supervisor(max(each.drain_seconds for each in sections) + _STOP_MARGIN)
    try:
        yield supervisor
    finally:
        say("stopping the servers")
        await supervisor.stop()


def section(configuration: Configuration, name: str) -> ServerSettings:
    """The section `planner`, `executor` or `learner` of a configuration."""
    found: ServerSettings = getattr(configuration, name)
    return found
