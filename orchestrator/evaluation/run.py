"""Runs an evaluation: starts the servers, pushes adapters, and plays the episodes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from configuration.tree import Configuration
from core.role import Role
from environments.benchmark import Benchmark, Task
from orchestrator.evaluation.answers import AnswerCheck
from orchestrator.evaluation.display import EvaluationProgress
from orchestrator.evaluation.files import EpisodeLog
from orchestrator.evaluation.games import Games
from orchestrator.preflight.pools import Machine, lacking
from orchestrator.servers.connections import Connector, kept_up
from orchestrator.servers.pools import ModelPools, static_directory
from orchestrator.servers.pushing import serve
from orchestrator.servers.supervisor import Supervisor
from play.dispatch import Dispatcher
from run_folder.adapters import AdapterChoice
from run_folder.folder import RunFolder
from serving.rpc.connection import Connection


@dataclass(frozen=True)
class Job:
    """The evaluation of a choice of adapters on a split."""

    adapters: AdapterChoice
    split: str
    tasks: tuple[Task, ...]
    samples: int
    """Number of episodes of each task."""
    out: Path
    """File of the results."""


@dataclass(frozen=True)
class EvaluationRun:
    """Plays jobs one after the other, on the same two servers."""

    configuration: Configuration
    benchmark: Benchmark
    folder: RunFolder
    """Folder of the servers' logs."""
    console: Console
    finished: Callable[[Job, Games, float], None]
    """Callback for each finished job, with its games and the seconds that it took."""
    take_over: bool = False
    """Whether to replace the adapters of a run that has claimed the servers."""

    async def play(self, jobs: Sequence[tuple[Job, EpisodeLog]]) -> None:
        """Plays all jobs, except for episodes that are already in their logs.

        If a server that was started here dies, all of them are started again, at most `pool.restarts` times
        in a row. The episodes that were being played begin anew, with their seeds.

        Raises:
            HiperError: a server failed or refused the adapters. Episodes that were played are in the logs.
        """
        left = deque(jobs)
        await kept_up(
            self.configuration, self.say, lambda supervisor: self._play(left, _Servers(self, supervisor))
        )

    async def _play(self, left: deque[tuple[Job, EpisodeLog]], servers: _Servers) -> None:
        """Plays the jobs, and removes each when it is finished."""
        while left:
            job, log = left[0]
            games = Games(job.tasks, job.samples, self.configuration.run.seed, log.episodes, log.keep)
            began = time.perf_counter()
            if games.left:
                pools = await servers.with_adapters(job.adapters)
                began = time.perf_counter()
                await self._job(job, games, pools)
            left.popleft()
            self.finished(job, games, time.perf_counter() - began)

    async def _job(self, job: Job, games: Games, models: ModelPools) -> None:
        title = f"{job.split}, {job.adapters.label}"
        episodes = len(job.tasks) * job.samples
        with EvaluationProgress(self.console, title, episodes - games.left, episodes) as progress:
            await Dispatcher(
                episodes=games,
                players=models.players(self.configuration, self.benchmark, on_turn=AnswerCheck(job.adapters)),
                benchmark=self.benchmark,
                tasks=job.tasks,
                concurrency=min(self.configuration.orchestrator.concurrency, games.left),
                observer=progress,
            ).run()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Servers:
    """The model servers, which are started when something is left to play."""

    def __init__(self, run: EvaluationRun, supervisor: Supervisor) -> None:
        self._run, self._supervisor = run, supervisor
        self._connections: Mapping[Role, Sequence[Connection]] = {}
        self._pools: ModelPools | None = None
        self._serving: AdapterChoice | None = None

    async def with_adapters(self, choice: AdapterChoice) -> ModelPools:
        """The servers, answering with these adapters."""
        run = self._run
        if self._pools is None:
            self._connections = await self._connect()
            self._pools = ModelPools.of(run.configuration, static_directory(self._connections))
        if self._serving is not choice:
            seconds = run.configuration.orchestrator.start_seconds
            await serve(choice, self._connections, seconds, run.take_over)
            self._serving = choice
        return self._pools

    async def _connect(self) -> Mapping[Role, Sequence[Connection]]:
        run = self._run
        connector = Connector(run.configuration, run.folder, self._supervisor, run.say)
        for line in lacking(run.configuration, Machine.this(), learner=False):
            run.say(line)
        run.say(connector.models_announcement)
        return await connector.models()
