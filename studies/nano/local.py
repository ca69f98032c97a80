"""Planner and executor in this process: the servers' engines and logic, called without gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from configuration.servers import PlannerSettings
from core.role import Role
from environments.benchmark import Benchmark
from executor.service import ExecutorService
from planner.service import PlannerService
from play.players import OneOfEach, Players
from serving.engine import Engine
from serving.engines import make_engine
from serving.model import ModelFolder, load_tokenizer
from trajectory.episode import Act, AdmissibleAction, Plan, TurnContext
from trajectory.fence import Fence

Engines = Mapping[Role, Engine]


@dataclass(frozen=True)
class _LocalPlanner:
    service: PlannerService

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        return await self.service.plan(context, seed, fence)

    async def prompt(self, context: TurnContext) -> tuple[int, ...]:
        return self.service.prompt_ids(context)


@dataclass(frozen=True)
class _LocalExecutor:
    service: ExecutorService

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        return await self.service.act(context, actions, seed, fence)

    async def prompt(self, context: TurnContext, actions: tuple[AdmissibleAction, ...]) -> tuple[int, ...]:
        return self.service.prompt_ids(context, actions)


@asynccontextmanager
async def engines(model: ModelFolder, settings: PlannerSettings) -> AsyncIterator[Engines]:
    """An engine for each role, with the base model alone; closed at the end of the block."""
    made = {role: make_engine(model, settings) for role in Role}
    try:
        for engine in made.values():
            await engine.start()
        yield made
    finally:
        for engine in made.values():
            await engine.close()


def local_players(
    engines: Engines,
    model: ModelFolder,
    settings: PlannerSettings,
    benchmark: Benchmark,
    *,
    final_prompts: bool = False,
    fenced: bool = False,
) -> Players:
    """Players that are answered by these engines; see `Players` for the options."""
    tokenizer = load_tokenizer(model.path)
    return Players(
        models=OneOfEach(
            _LocalPlanner(PlannerService(engines[Role.PLANNER], tokenizer, settings)),
            _LocalExecutor(ExecutorService(engines[Role.EXECUTOR], tokenizer, settings)),
        ),
        benchmark=benchmark,
        history=settings.history,
        final_prompts=final_prompts,
        fenced=fenced,
    )
