"""Plays a run from start to end: connects the servers, plays episodes, and waits for the updates."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from configuration.tree import Configuration
from core.errors import HiperError
from core.together import together
from orchestrator.clients.directory import Directory, watch_pool
from orchestrator.clients.learner import EpisodeClient, LearnerClient
from orchestrator.clients.models import CallTime
from orchestrator.preflight.checks import Inputs
from orchestrator.progress.report import Report
from orchestrator.progress.watch import Watch
from orchestrator.servers.connections import Connector, restarts, supervised
from orchestrator.servers.pools import ModelPools
from orchestrator.servers.supervisor import Supervisor
from play.dispatch import Dispatcher
from play.schedule import identity
from run_folder.folder import RunFolder
from serving.rpc.connection import Connection

_ASK_AGAIN_SECONDS = 5.0
"""Pause before the learner is asked again to stop."""


class StopRequest:
    """A request to end the run after the update in flight, made by a person or after some time."""

    def __init__(
        self, seconds: float | None = None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """With `seconds`, the request is made automatically after the run has played that long."""
        self._seconds = seconds
        self._sleep = sleep
        self._asked: asyncio.Event | None = None

    def ask(self) -> bool:
        """Makes the request.

        Returns:
            False if it was made before, or if the run does not play yet: no update is in flight then.
        """
        if self._asked is None or self._asked.is_set():
            return False
        self._asked.set()
        return True

    async def asked(self) -> None:
        """Waits for the request; begins to count the seconds."""
        self._asked = asyncio.Event()
        try:
            await asyncio.wait_for(self._asked.wait(), self._seconds)
        except TimeoutError:
            self._asked.set()

    async def hand_on(
        self, stop: Callable[[], Awaitable[None]], on_failure: Callable[[HiperError], None]
    ) -> None:
        """Calls `stop` until it succeeds; calls `on_failure` after each failure.

        The caller cancels this when the learner is gone, because then it cannot succeed any more.
        """
        while True:
            try:
                return await stop()
            except HiperError as error:
                on_failure(error)
                await self._sleep(_ASK_AGAIN_SECONDS)

    async def repeat(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Calls `stop` again and again: a learner that was started again does not know that it is to stop.

        The caller cancels this when the learner has stopped.
        """
        while True:
            await self._sleep(_ASK_AGAIN_SECONDS)
            with contextlib.suppress(HiperError):
                await stop()


@dataclass(frozen=True)
class Run:
    """A run with everything that it needs."""

    configuration: Configuration
    inputs: Inputs
    folder: RunFolder
    report: Report
    stop: StopRequest = field(default_factory=StopRequest)
    call_times: list[CallTime] = field(default_factory=list)
    """Times of the calls of planner and executor; filled when these are connected."""

    async def play(self) -> None:
        """Plays all episodes and waits for the last update.

        Raises:
            HiperError: the run failed; the message says why. Acknowledged episodes are kept.
        """
        again = restarts(self.configuration, self.report.note)
        async with supervised(self.configuration, self.report.say, again) as supervisor:
            await supervisor.guard(self._play(supervisor))

    async def _play(self, supervisor: Supervisor) -> None:
        connector = Connector(self.configuration, self.folder, supervisor, self.report.note)
        self.report.say(connector.learner_announcement)
        learner = await connector.learner()
        client, directory, playing = LearnerClient(learner), Directory(), asyncio.Event()
        async with beside(watch_pool(learner, directory)), beside(self._stop_when_asked(client, playing)):
            await together(
                self._play_episodes(connector, learner, directory, playing),
                Watch(client, self.report.learner).run(),
            )

    async def _play_episodes(
        self, connector: Connector, learner: Connection, directory: Directory, playing: asyncio.Event
    ) -> None:
        if self.configuration.learner.address is None:
            self.report.say(connector.models_announcement)
            await connector.members(learner.server.address)
        playing.set()
        await self._dispatcher(learner, directory).run()

    def _dispatcher(self, learner: Connection, directory: Directory) -> Dispatcher:
        pools = ModelPools.of(self.configuration, directory)
        self.call_times.extend((pools.planner_time, pools.executor_time))
        holder = f"{socket.gethostname()}:{os.getpid()}"
        inputs = self.inputs
        tasks = identity(inputs.tasks, inputs.parts)
        return Dispatcher(
            episodes=EpisodeClient(learner, holder, tasks, lambda: directory.loads),
            players=pools.players(
                self.configuration,
                inputs.benchmark,
                final_prompts=self.configuration.estimator.bootstrap == "final",
                on_turn=self.report.turn,
                fenced=True,
            ),
            benchmark=inputs.benchmark,
            tasks=inputs.tasks,
            parts=inputs.parts,
            concurrency=self.configuration.orchestrator.concurrency,
            observer=self.report,
        )

    async def _stop_when_asked(self, learner: LearnerClient, playing: asyncio.Event) -> None:
        await playing.wait()
        await self.stop.asked()
        self.report.stopping()
        await self.stop.hand_on(learner.stop, self.report.not_stopping_yet)
        self.report.stop_confirmed()
        await self.stop.repeat(learner.stop)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` while the block runs, and cancels it at the block's end; raises its error if it failed."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome
