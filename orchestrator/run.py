"""One run from start to end: servers, connections, episodes, updates."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from configuration.tree import Configuration
from orchestrator.clients import CallTime, ExecutorClient, PlannerClient
from orchestrator.dispatch import Dispatcher
from orchestrator.identity import check_role
from orchestrator.learner_clients import EpisodeClient, LearnerClient
from orchestrator.play import Players
from orchestrator.preflight import Inputs
from orchestrator.report import Report
from orchestrator.retry import RetryPolicy
from orchestrator.rpc import Connection, Server
from orchestrator.run_folder import RunFolder
from orchestrator.services import ServiceSpec, Supervisor, server_command
from orchestrator.together import together
from orchestrator.watch import Watch
from serving.channel import open_channel, wait_healthy
from serving.errors import UnavailableError
from serving.settings import ServerSettings
from trajectory.seeds import derive

_STOP_MARGIN = 5.0
"""Seconds beyond a server's own drain time before it is killed."""


@dataclass(frozen=True)
class Run:
    """What a run is made of."""

    configuration: Configuration
    inputs: Inputs
    folder: RunFolder
    report: Report
    planner_time: CallTime = field(default_factory=CallTime)
    executor_time: CallTime = field(default_factory=CallTime)

    async def play(self) -> None:
        """Plays all episodes and waits for the last update.

        Raises:
            HiperError: the run failed; the message says why. What the learner acknowledged is kept.
        """
        sections = (self._section(name) for name in ("planner", "executor", "learner"))
        supervisor = Supervisor(max(section.drain_seconds for section in sections) + _STOP_MARGIN)
        try:
            await supervisor.guard(self._play(supervisor))
        finally:
            self.report.say("ending the servers")
            await supervisor.stop()

    async def _play(self, supervisor: Supervisor) -> None:
        self.report.say("starting planner and executor")
        planner, executor = await together(
            *(self._connected(name, supervisor, {}) for name in ("planner", "executor"))
        )
        models = {"planner.address": planner.server.address, "executor.address": executor.server.address}
        self.report.say("starting the learner")
        learner = await self._connected("learner", supervisor, models)
        dispatcher = Dispatcher(
            episodes=EpisodeClient(learner, f"{socket.gethostname()}:{os.getpid()}"),
            players=self._players(planner, executor),
            benchmark=self.inputs.benchmark,
            tasks=self.inputs.tasks,
            concurrency=self.configuration.orchestrator.concurrency,
            observer=self.report,
        )
        await together(dispatcher.run(), Watch(LearnerClient(learner), self.report.learner).run())

    async def _connected(self, name: str, supervisor: Supervisor, overrides: Mapping[str, str]) -> Connection:
        """A connection to a healthy server of the right kind, which is started unless one runs already."""
        address = self._section(name).address
        if address is None:
            address = await self._start(name, supervisor, overrides)
        return await self._connect(name, address)

    async def _start(self, name: str, supervisor: Supervisor, overrides: Mapping[str, str]) -> str:
        """The address of a server of our own."""
        ready_file = self.folder.ready_file(name)
        command = server_command(f"{name}.server", self.folder.configuration, ready_file, overrides)
        service = await supervisor.start(ServiceSpec(name, command, self.folder.log(name), ready_file))
        return await service.address(self.configuration.orchestrator.start_seconds)

    async def _connect(self, name: str, address: str) -> Connection:
        settings = self.configuration.orchestrator
        channel = open_channel(address, self._section(name).tls)
        try:
            await wait_healthy(channel, settings.start_seconds)
        except UnavailableError as error:
            raise UnavailableError(f"the {name} at {address} is not there: {error}") from error
        policy = RetryPolicy(
            attempts=settings.attempts, seed=derive(self.configuration.run.seed, "retry", name)
        )
        connection = Connection(channel, Server(name, address), settings.call_seconds, policy)
        await check_role(connection)
        return connection

    def _players(self, planning: Connection, executing: Connection) -> Players:
        configuration = self.configuration
        return Players(
            planner=PlannerClient(planning, self.planner_time),
            executor=ExecutorClient(executing, self.executor_time),
            benchmark=self.inputs.benchmark.name,
            history=max(configuration.planner.history, configuration.executor.history),
            final_prompts=configuration.estimator.bootstrap == "final",
            on_turn=self.report.turn,
        )

    def _section(self, name: str) -> ServerSettings:
        section: ServerSettings = getattr(self.configuration, name)
        return section
