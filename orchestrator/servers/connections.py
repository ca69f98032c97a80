"""Connections to servers, both to those that run elsewhere and to those that are started here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hiper.v1 import learner_pb2

from configuration.servers import ServerSettings
from configuration.tree import Configuration
from configuration.vllm_options import UTILIZATION
from core.errors import UnavailableError
from core.role import Role
from core.seeds import derive
from core.together import together
from orchestrator.clients.identity import check_role
from orchestrator.servers.gpu_memory import gpu_users, take_turns, vllm_shares
from orchestrator.servers.replicas import replica_plans
from orchestrator.servers.services import ServiceDiedError, ServiceSpec, server_command
from orchestrator.servers.supervisor import NEVER, DeathsInARow, Restarts, Supervisor
from run_folder.folder import RunFolder
from serving.rpc.channel import open_channel, wait_healthy
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy

_TELLS_FAILURES = {"learner": (learner_pb2.DESCRIPTOR.services_by_name["LearnerService"].full_name,)}
"""Services that are healthy while their server has failed, because they say why."""
_STOP_MARGIN = 5.0
"""Seconds beyond a server's own drain time before it is killed."""


@dataclass(frozen=True)
class Connector:
    """Starts and finds the servers of a configuration; those that it starts are supervised."""

    configuration: Configuration
    folder: RunFolder
    """Folder of the servers' logs, and of the configuration that they read."""
    supervisor: Supervisor
    say: Callable[[str], None]
    """Callback for remarks."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the server that is starting, if others must wait for it."""

    @property
    def learner_announcement(self) -> str:
        """An announcement of what `learner` does, such as `starting the learner`."""
        return _announcement({"the learner": self.configuration.learner})

    @property
    def models_announcement(self) -> str:
        """An announcement of what `models` or `members` do, such as `starting planner and executor`."""
        return _announcement({role.value: self.configuration.model_server(role) for role in Role})

    async def learner(self) -> Connection:
        """A connection to the learner, which is started unless the configuration has its address.

        Raises:
            HiperError: no learner can be reached, or a server of another role is there.
        """
        address = self.configuration.learner.address
        if address is None:
            # It is started again at the same address, where model servers and orchestrators wait for it.
            address = await self._start("learner", "learner", {}, keeps_address=True, stops_first=True)
        return await connect(self.configuration, "learner", address)

    async def models(self) -> Mapping[Role, tuple[Connection, ...]]:
        """Connections to all model servers, for use without a learner; those without addresses are started.

        Raises:
            HiperError: none of a role can be reached, or a server of another role is there.
        """
        found = await together(*(self._pool(role) for role in Role))
        return dict(zip(Role, found, strict=True))

    async def _pool(self, role: Role) -> tuple[Connection, ...]:
        if addresses := self.configuration.model_server(role).addresses:
            return await self._those_there(role, addresses)
        addresses = await self._started(role, {}, learner=False)
        return tuple(await together(*(connect(self.configuration, role.value, each) for each in addresses)))

    async def members(self, learner: str) -> None:
        """Starts the model servers of the learner at this address, with which they register.

        Servers whose addresses are in the configuration are not started: the learner has the addresses, too.

        Raises:
            HiperError: none of a role can be reached, or a server of another role is there.
        """
        await together(*(self._members(role, learner) for role in Role))

    async def _members(self, role: Role, learner: str) -> None:
        if addresses := self.configuration.model_server(role).addresses:
            for connection in await self._those_there(role, addresses):
                await connection.channel.close()
        else:
            await self._started(role, {"learner.address": learner}, learner=True)

    async def _started(self, role: Role, overrides: Mapping[str, str], learner: bool) -> tuple[str, ...]:
        """Starts all servers of a role, beside a learner or not; returns their addresses."""
        users = gpu_users(self.configuration, learner)
        shares, in_turn = vllm_shares(users), take_turns(users)
        starts = (
            self._start_in_turn(
                self._turn if plan.name in in_turn else contextlib.nullcontext(),
                *(plan.name, role.value),
                {**plan.overrides, **overrides, **_share(role, shares.get(plan.name))},
            )
            for plan in replica_plans(role, self.configuration.model_server(role))
        )
        return tuple(await together(*starts))

    async def _start_in_turn(
        self, turn: AbstractAsyncContextManager[None], name: str, section: str, overrides: Mapping[str, str]
    ) -> str:
        async with turn:
            return await self._start(name, section, overrides)

    async def _those_there(self, role: Role, addresses: tuple[str, ...]) -> tuple[Connection, ...]:
        outcomes = await together(*(self._if_there(role, address) for address in addresses))
        found = tuple(outcome for outcome in outcomes if isinstance(outcome, Connection))
        missing = [outcome for outcome in outcomes if isinstance(outcome, UnavailableError)]
        if not found:
            raise missing[0]
        for error in missing:
            self.say(f"{error}; the others of its role are used")
        return found

    async def _if_there(self, role: Role, address: str) -> Connection | UnavailableError:
        try:
            return await connect(self.configuration, role.value, address)
        except UnavailableError as error:
            return error

    async def _start(self, name: str, section: str, overrides: Mapping[str, str], **kept: bool) -> str:
        """Starts a server and returns its address."""
        ready_file = self.folder.ready_file(name)
        command = server_command(f"{section}.server", self.folder.configuration, ready_file, overrides)
        spec = ServiceSpec(name, command, self.folder.log(name), ready_file, **kept)
        service = await self.supervisor.start(spec)
        return await service.address(self.configuration.orchestrator.start_seconds)


def _share(role: Role, share: float | None) -> dict[str, str]:
    return {} if share is None else {f"{role.value}.vllm.{UTILIZATION}": f"{share:g}"}


def _announcement(servers: Mapping[str, ServerSettings]) -> str:
    """Which of these servers, by name, are started, and which are running already."""
    started = [name for name, settings in servers.items() if not settings.address]
    running = [f"{name} at {settings.address}" for name, settings in servers.items() if settings.address]
    parts = (("starting", started), ("connecting to", running))
    return ", ".join(f"{does} {' and '.join(names)}" for does, names in parts if names)


async def connect(configuration: Configuration, name: str, address: str) -> Connection:
    """Connects to the server of section `name` at `address`, and waits until it is healthy.

    Raises:
        HiperError: no server can be reached, or it has another role.
    """
    settings = configuration.orchestrator
    channel = open_channel(address, section(configuration, name).tls)
    policy = retry_policy(configuration, name)
    connection = Connection(channel, Server(name, address), settings.call_seconds, policy)
    try:
        await _healthy(connection, settings.start_seconds)
        await check_role(connection)
    except BaseException:
        await channel.close()
        raise
    return connection


def retry_policy(configuration: Configuration, name: str) -> RetryPolicy:
    """How calls to the servers of section `name` are tried again."""
    seed = derive(configuration.run.seed, "retry", name)
    return RetryPolicy(configuration.orchestrator.patience_seconds, seed=seed)


async def _healthy(connection: Connection, seconds: float) -> None:
    server = connection.server
    try:
        await wait_healthy(connection.channel, seconds, *_TELLS_FAILURES.get(server.section, ()), "")
    except UnavailableError as error:
        raise UnavailableError(f"{server} is not there: {error}") from error


@asynccontextmanager
async def supervised(
    configuration: Configuration, say: Callable[[str], None], restarts: Restarts = NEVER
) -> AsyncIterator[Supervisor]:
    """A supervisor whose services are stopped at the end of the block; `say` is told of that."""
    sections = (section(configuration, name) for name in ("planner", "executor", "learner"))
    supervisor = Supervisor(max(each.drain_seconds for each in sections) + _STOP_MARGIN, restarts)
    try:
        yield supervisor
    finally:
        say("stopping the servers")
        await supervisor.stop()


async def kept_up(
    configuration: Configuration,
    say: Callable[[str], None],
    work: Callable[[Supervisor], Coroutine[Any, Any, None]],
) -> None:
    """Does work that starts its servers itself; if one of them dies, stops all, and begins the work anew.

    Args:
        configuration: Configuration of the servers; `pool.restarts` is how often in a row they may die.
        say: Callback that is told what has died.
        work: Work, which starts its servers with the supervisor that it is given.

    Raises:
        ServiceDiedError: a server died too often in a row, or before all of them had ever served: it would
            die the next time, too.
    """
    deaths, served = DeathsInARow(restarts(configuration, say)), False
    while True:
        async with supervised(configuration, lambda _: None) as supervisor:
            try:
                return await supervisor.guard(work(supervisor))
            except ServiceDiedError as died:
                death, served = died, served or supervisor.served
        if not (served and await deaths.are_few(death)):
            raise death


def restarts(configuration: Configuration, say: Callable[[str], None]) -> Restarts:
    """How often a run starts its servers again; `say` is told what has died."""
    pool = configuration.pool
    return Restarts(pool.restarts, pool.steady_seconds, configuration.orchestrator.start_seconds, say)


def section(configuration: Configuration, name: str) -> ServerSettings:
    """The section `planner`, `executor` or `learner` of a configuration."""
    found: ServerSettings = getattr(configuration, name)
    return found
