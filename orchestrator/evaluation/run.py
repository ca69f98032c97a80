"""Runs an evaluation: starts the servers, pushes adapters, and plays the episodes."""

from __future__ import annotations

import time
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
from orchestrator.servers.connections import Connector, supervised
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

        Raises:
            HiperError: a server failed or refused the adapters. Episodes that were played are in the logs.
        """
        async with supervised(self.configuration, lambda _: None) as supervisor:
            await supervisor.guard(self._play(supervisor, jobs))

    async def _play(self, supervisor: Supervisor, jobs: Sequence[tuple[Job, EpisodeLog]]) -> None:
        connections: Mapping[Role, Sequence[Connection]] = {}
        pools: ModelPools | None = None
        serving: AdapterChoice | None = None
        for job, log in jobs:
            games = Games(job.tasks, job.samples, self.configuration.run.seed, log.episodes, log.keep)
            began = time.perf_counter()
            if games.left:
                connections = connections or await self._connected(supervisor)
                pools = pools or ModelPools.of(self.configuration, static_directory(connections))
                if serving is not job.adapters:
                    await serve(
                        job.adapters,
                        connections,
                        self.configuration.orchestrator.start_seconds,
                        self.take_over,
                    )
                    serving = job.adapters
                began = time.perf_counter()
                await self._job(job, games, pools)
            self.finished(job, games, time.perf_counter() - began)

    async def _connected(self, supervisor: Supervisor) -> Mapping[Role, Sequence[Connection]]:
        connector = Connector(self.configuration, self.folder, supervisor, self._say)
        self._say(connector.models_announcement)
        return await connector.models()

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

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
