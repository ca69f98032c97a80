"""Planner and executor that repeat what was said; each stored answer is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import HiperError
from core.role import Role
from executor.service import ExecutorService
from orchestrator.replaying.forced import Forced, ForcedEngine
from orchestrator.replaying.kept_adapters import KeptAdapters
from planner.service import PlannerService
from trajectory.episode import Act, AdmissibleAction, Plan, Turn, TurnContext
from trajectory.fence import Fence


class LongerThanStoredError(HiperError):
    """The environment has not ended where the stored episode has."""


@dataclass(frozen=True)
class Planned:
    """A plan as it would be now."""

    plan: Plan
    """Plan that is read from the stored tokens, with the prompt as it is rendered now."""
    forced: Forced | None
    """Stored tokens, computed again; None if the plan was not sampled."""


@dataclass(frozen=True)
class Acted:
    """An act as it would be now."""

    act: Act
    """Act that is read from the stored tokens, with the prompt as it is rendered now."""
    forced: Forced | None
    """Stored tokens, computed again."""


class StoredPlanner:
    """Implements `play.players.Planner` for one stored episode."""

    def __init__(
        self, service: PlannerService, engine: ForcedEngine, adapters: KeptAdapters, turns: Sequence[Turn]
    ) -> None:
        """`service` answers with `engine`."""
        self._service, self._engine, self._adapters, self._turns = service, engine, adapters, turns
        self.planned: list[Planned] = []

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        """The stored plan of the turn; raises `LongerThanStoredError` if there is none."""
        if context.turn >= len(self._turns):
            raise LongerThanStoredError(f"not over after turn {context.turn - 1}")
        stored = self._turns[context.turn].plan
        self._engine.expect(stored.generation, self._adapters.of(Role.PLANNER, stored.generation))
        plan = await self._service.plan(context, seed)
        self.planned.append(Planned(plan, self._engine.forced))
        return stored

    async def prompt(self, context: TurnContext) -> tuple[int, ...]:
        return (await self._service.prompt_only(context)).generation.prompt_ids


class StoredExecutor:
    """Implements `play.players.Executor` for one stored episode."""

    def __init__(
        self, service: ExecutorService, engine: ForcedEngine, adapters: KeptAdapters, turns: Sequence[Turn]
    ) -> None:
        """`service` answers with `engine`."""
        self._service, self._engine, self._adapters, self._turns = service, engine, adapters, turns
        self.acted: list[Acted] = []

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        """The stored act of the turn."""
        stored = self._turns[context.turn].act
        self._engine.expect(stored.generation, self._adapters.of(Role.EXECUTOR, stored.generation))
        act = await self._service.act(context, actions, seed)
        self.acted.append(Acted(act, self._engine.forced))
        return stored

    async def prompt(self, context: TurnContext, actions: tuple[AdmissibleAction, ...]) -> tuple[int, ...]:
        return (await self._service.prompt_only(context, actions)).generation.prompt_ids
