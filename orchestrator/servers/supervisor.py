"""Keeps the servers of a run running: those that die are started again, as often as allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from core.errors import HiperError, UnavailableError
from core.together import cancelled
from orchestrator.servers.services import (
    Service,
    ServiceDiedError,
    ServiceRefusedError,
    ServiceSpec,
    shorten,
)

_LOG_SECONDS = 30.0
"""Time between two checks of the logs' sizes."""
_NOTICE_SECONDS = 1.0
"""Time to wait, after a failed call, for the death of a process that may have caused it."""
_LONGEST_PAUSE = 30.0
"""Limit of the pauses before a server is started again, in seconds."""


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True)
class Restarts:
    """How often a server is started again."""

    limit: int = 0
    """Number of times in a row."""
    steady_seconds: float = 60.0
    """Seconds for which a process must have run before its death counts as the first in a row."""
    start_seconds: float = 180.0
    """Seconds in which a process that was started again must serve before it is killed."""
    say: Callable[[str], None] = _ignore
    """Callback for a line that says what has died."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    """Seconds."""

    def pause(self, failures: int) -> float:
        """Pause in seconds after that many deaths in a row: none after the first."""
        return min(_LONGEST_PAUSE, 2.0 ** (failures - 2)) if failures > 1 else 0.0


NEVER = Restarts()
"""A server that dies is not started again."""


class DeathsInARow:
    """Decides whether something that has died is started again."""

    def __init__(self, restarts: Restarts) -> None:
        """It is started now."""
        self._restarts, self._count = restarts, 0
        self._began = restarts.clock()

    async def are_few(self, death: ServiceDiedError) -> bool:
        """Whether it is to be started again after this death; if so, says it and returns after the pause.

        A server that has refused its configuration would refuse it again.
        """
        restarts = self._restarts
        steady = restarts.clock() - self._began >= restarts.steady_seconds
        self._count = 1 if steady else self._count + 1
        if isinstance(death, ServiceRefusedError):
            return False
        if self._count > restarts.limit:
            if restarts.limit:
                death.add_note(f"It was started again {restarts.limit} times in a row (pool.restarts)")
            return False
        restarts.say(f"{death.brief}; started again ({self._count} of {restarts.limit})")
        await restarts.sleep(restarts.pause(self._count))
        self._began = restarts.clock()
        return True


class KeptService:
    """A server that is started again when it dies."""

    def __init__(self, service: Service, restarts: Restarts) -> None:
        self.service = service
        """The process that runs now, or died last."""
        self.spec = service.spec
        self._restarts = restarts
        self._address: str | None = None
        self._starting: asyncio.Task[Service] | None = None

    @property
    def pid(self) -> int:
        """Id of the process that runs now, or died last."""
        return self.service.pid

    @property
    def served(self) -> bool:
        """Whether one of its processes has served."""
        return self._address is not None

    async def address(self, seconds: float) -> str:
        """Waits until the first process is serving; returns its `host:port`.

        Raises:
            UnavailableError: it is not serving within that many seconds.
        """
        self._address = await self.service.address(seconds)
        return self._address

    async def kept(self) -> ServiceDiedError:
        """Starts the server again and again.

        Returns:
            Its last death: it was never serving, it has refused its configuration, or it has died too often
            in a row.
        """
        deaths = DeathsInARow(self._restarts)
        while True:
            death = await self._death()
            if self._address is None or not await deaths.are_few(death):
                return death
            await self._start_again(self._address)

    async def _death(self) -> ServiceDiedError:
        starting = asyncio.create_task(self._killed_unless_serving())
        try:
            death = await self.service.died()
        finally:
            starting.cancel()
        # Processes that it launched may outlive it, and keep its port or its GPU.
        self.service.kill()
        self._address = self._address or self.service.written_address()
        return death

    async def _killed_unless_serving(self) -> None:
        if self._address is None:
            return  # Whoever has started the first process waits for it.
        try:
            await self.service.address(self._restarts.start_seconds)
        except UnavailableError as error:
            self._restarts.say(str(error))
            self.service.kill()

    async def _start_again(self, address: str) -> None:
        shorten(self.spec.log)
        spec = self.spec.at(address) if self.spec.keeps_address else self.spec
        self._starting = asyncio.create_task(Service.start(spec))
        # If we are stopped now, the new process must be stopped, too.
        self.service = await asyncio.shield(self._starting)
        self._starting = None

    async def stop(self, seconds: float) -> None:
        """Stops the process; see `Service.stop`. `kept` has been cancelled."""
        if self._starting is not None:
            self.service = await self._starting
        await self.service.stop(seconds)


class Supervisor:
    """Watches the services of a run, which fails as soon as one of them is dead for good."""

    def __init__(self, stop_seconds: float, restarts: Restarts = NEVER) -> None:
        """A service that does not end by itself is killed after `stop_seconds`."""
        self._services: list[KeptService] = []
        self._watches: list[asyncio.Task[None]] = []
        self._death: asyncio.Future[ServiceDiedError] = asyncio.get_running_loop().create_future()
        self._stop_seconds, self._restarts = stop_seconds, restarts

    @property
    def served(self) -> bool:
        """Whether each of the services has served."""
        return all(service.served for service in self._services)

    async def start(self, spec: ServiceSpec) -> KeptService:
        """Starts a process and watches it."""
        shorten(spec.log)
        service = KeptService(await Service.start(spec), self._restarts)
        self._services.append(service)
        self._watches.append(asyncio.create_task(self._watch(service)))
        return service

    async def _watch(self, service: KeptService) -> None:
        try:
            death = await service.kept()
        except OSError as error:
            text = f"the {service.spec.name} cannot be started again: {error}"
            death = ServiceDiedError(text, text)
        if not self._death.done():
            self._death.set_result(death)

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work as long as all services are kept running.

        Raises:
            ServiceDiedError: a service is dead for good; the work was cancelled.
        """
        main = asyncio.ensure_future(work)
        logs = asyncio.create_task(self._keep_logs_short())
        either: tuple[asyncio.Future[Any], ...] = (main, self._death)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if main.done() and isinstance(main.exception(), HiperError):
                # A call can fail a moment before the death of its server is noticed, which explains more.
                await asyncio.wait([self._death], timeout=_NOTICE_SECONDS)
            if self._death.done():
                raise self._death.result()
            await main
        finally:
            logs.cancel()
            await cancelled(main)

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.sleep(_LOG_SECONDS)
            for service in self._services:
                shorten(service.spec.log)

    async def stop(self) -> None:
        """Stops all services and waits until they have ended."""
        await cancelled(*self._watches)
        for first in (True, False):
            chosen = [service for service in self._services if service.spec.stops_first is first]
            await asyncio.gather(*(service.stop(self._stop_seconds) for service in chosen))
        self._services.clear()
