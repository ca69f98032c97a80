"""Playing in lock-step, as verl-agent does: a batch of episodes takes each turn together.

All wait for the slowest answer. Answers for episodes that have ended are generated until the last one of the
batch has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.games import Games
from configuration.tree import Configuration
from play.players import Executor, Planner
from trajectory.episode import Act, AdmissibleAction, Episode, Plan, TurnContext
from trajectory.fence import Fence

Call = Callable[[], Awaitable[Any]]


def cores(c: Configuration) -> int:
    """CPU threads of each engine in lock-step: those of both, because only one of the two ever computes."""
    return c.planner.threads + c.executor.threads


async def in_lock_step(games: Games) -> list[Episode]:
    """Plays one batch after the other."""
    episodes: list[Episode] = []
    for first in range(0, len(games.tasks), games.at_once):
        numbers = range(first, min(first + games.at_once, len(games.tasks)))
        plans, acts = Steps(len(numbers)), Steps(len(numbers))
        episodes += await asyncio.gather(*(_stepping(games, number, plans, acts) for number in numbers))
    return episodes


async def _stepping(games: Games, number: int, plans: Steps, acts: Steps) -> Episode:
    models = InStep(games.planner, games.executor, plans, acts)
    episode = await games.play(number, models, models)
    models.leave()
    return episode


@dataclass
class Steps:
    """Calls that are made together, once every episode of the batch that has not ended has made its own."""

    live: int
    _calls: list[tuple[Call, asyncio.Future[Any]]] = field(default_factory=list)
    _ended: list[Call] = field(default_factory=list)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, call: Call) -> Any:
        """The result of the call, once all calls of the step are done."""
        future = asyncio.get_running_loop().create_future()
        self._calls.append((call, future))
        self._begin_if_complete()
        return await future

    def leave(self, last: Call) -> None:
        """An episode has ended; `last` is repeated at every step, as its answer is still generated."""
        self.live -= 1
        self._ended.append(last)
        self._begin_if_complete()

    def _begin_if_complete(self) -> None:
        if self._calls and len(self._calls) == self.live:
            calls, self._calls = self._calls, []
            task = asyncio.create_task(self._together(calls))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _together(self, calls: Sequence[tuple[Call, asyncio.Future[Any]]]) -> None:
        made = [call for call, _ in calls] + self._ended
        results = await asyncio.gather(*(call() for call in made), return_exceptions=True)
        for (_, future), result in zip(calls, results, strict=False):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)


class InStep:
    """Planner and executor of one episode of a batch, whose calls wait for those of the others."""

    def __init__(self, planner: Planner, executor: Executor, plans: Steps, acts: Steps) -> None:
        self._planner, self._executor, self._plans, self._acts = planner, executor, plans, acts
        self._last_plan: Call | None = None
        self._last_act: Call | None = None

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        self._last_plan = lambda: self._planner.plan(context, seed, fence)
        return await self._plans.ask(self._last_plan)

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        self._last_act = lambda: self._executor.act(context, actions, seed, fence)
        return await self._acts.ask(self._last_act)

    async def prompt(
        self, context: TurnContext, actions: tuple[AdmissibleAction, ...] = ()
    ) -> tuple[int, ...]:
        raise NotImplementedError("episodes are played without prompts at their final observation")

    def leave(self) -> None:
        if self._last_plan and self._last_act:
            self._plans.leave(self._last_plan)
            self._acts.leave(self._last_act)
