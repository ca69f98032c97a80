"""A small run with real episodes: a tiny model with random adapters, played by the engines of the servers."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from configuration.tree import Configuration
from core.role import Role
from core.seeds import derive
from environments import registry
from environments.benchmark import Benchmark
from executor.service import ExecutorService
from planner.service import PlannerService
from play.players import OneOfEach, Players
from play.schedule import task_for
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.adapters.folder import folder_hash
from serving.adapters.origin import AdapterOrigin
from serving.embedded.engine import EmbeddedEngine
from serving.engine import LoadedAdapter
from serving.model import ModelFolder, load_tokenizer, resolve_model
from tests.end_to_end.tiny import tiny_model
from tests.serving.models import random_adapter
from trajectory.episode import AdmissibleAction, Episode, TurnContext
from trajectory.lease import Lease
from trajectory.wire import episode_to_pb

RUN = "run-1"
EPISODES = 3
VERSION = 2


class _Planner(PlannerService):
    async def prompt(self, context: TurnContext) -> tuple[int, ...]:
        return (await self.prompt_only(context)).generation.prompt_ids


class _Executor(ExecutorService):
    async def prompt(self, context: TurnContext, actions: tuple[AdmissibleAction, ...]) -> tuple[int, ...]:
        return (await self.prompt_only(context, actions)).generation.prompt_ids


def played_run(root: Path, model: Path, dtype: str = "float64", think: int = 0) -> Path:
    """Plays the episodes of a run at the same time, so that their requests are in batches; returns `root`."""
    configuration = _configuration(tiny_model(model), dtype, think)
    folder = RunFolder(root)
    root.mkdir()
    saved_configuration.write(folder, configuration)
    base = resolve_model(str(model))
    for seed, role in enumerate(Role):
        path = folder.adapter(role, VERSION)
        random_adapter(base, path, seed=seed)
        AdapterOrigin(base.fingerprint, role.value, VERSION).write(path)
    with closing(EpisodeStore(folder.episodes, RUN)) as store:
        for episode in asyncio.run(_play(configuration, folder, base)):
            store.add(episode_to_pb(episode))
    return root


def _configuration(model: Path, dtype: str, think: int) -> Configuration:
    server = {
        "model": str(model),
        "dtype": dtype,
        "context_length": 2048,
        "max_new_tokens": 8,
        "think": think,
    }
    return Configuration.model_validate(
        {
            "environment": {
                "source": "generated",
                "step_limit": 4,
                "generator": {"games": 6, "horizon": "short"},
            },
            "planner": server,
            "executor": server,
            "learner": {"model": str(model)},
        }
    )


async def _play(configuration: Configuration, folder: RunFolder, model: ModelFolder) -> list[Episode]:
    planner, executor = [await _engine(configuration, folder, model, role) for role in Role]
    tokenizer = load_tokenizer(model.path)
    benchmark = registry.load(configuration.environment)
    players = Players(
        models=OneOfEach(
            _Planner(planner, tokenizer, configuration.planner),
            _Executor(executor, tokenizer, configuration.executor),
        ),
        benchmark=benchmark,
        history=configuration.planner.history,
        final_prompts=True,
    )
    try:
        return await asyncio.gather(*(_episode(players, benchmark, number) for number in range(EPISODES)))
    finally:
        await planner.close()
        await executor.close()


async def _engine(
    configuration: Configuration, folder: RunFolder, model: ModelFolder, role: Role
) -> EmbeddedEngine:
    settings, path = configuration.model_server(role), folder.adapter(role, VERSION)
    engine = EmbeddedEngine(model, settings.dtype, context_length=settings.context_length)
    await engine.start()
    await engine.switch(LoadedAdapter.of_run(RUN, role, 0, VERSION, path, folder_hash(path)))
    return engine


async def _episode(players: Players, benchmark: Benchmark, number: int) -> Episode:
    task = task_for(benchmark.tasks("train"), 0, number)
    lease = Lease(f"{number}.0", RUN, number, number, 0, 0, derive(7, number), VERSION)
    environment = benchmark.environment()
    try:
        return await players.play(lease, task, environment)
    finally:
        environment.close()
