"""A planner and an executor that answer as told, and note what they were asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.errors import HiperError
from environments.telling import Telling
from orchestrator.endpoint.agent import Agent
from trajectory.episode import EMPTY_SPAN, Act, AdmissibleAction, Decision, Generation, Plan, TurnContext
from trajectory.fence import Fence


def generation(prompt: int, answer: int, cut: bool = False) -> Generation:
    """Of that many tokens."""
    return Generation((1,) * prompt, (2,) * answer, (0.0,) * answer, 3, 1.0, cut, 0.0)


class Pair:
    """Plays both roles. The planner switches to the next of `subgoals`, and keeps at an empty one."""

    def __init__(self, *subgoals: str, cut: bool = False, error: HiperError | None = None) -> None:
        self._subgoals = list(subgoals)
        self._cut, self._error = cut, error
        self.planned: list[TurnContext] = []
        self.acted: list[tuple[TurnContext, tuple[AdmissibleAction, ...]]] = []
        self.seeds: list[int] = []
        self.names: list[str] = []

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        if self._error is not None:
            raise self._error
        self.planned.append(context)
        self.seeds.append(seed)
        subgoal = self._subgoals.pop(0)
        decision = Decision.SWITCH if subgoal else Decision.KEEP
        return Plan(decision, subgoal or context.subgoal, True, generation(10, 2), EMPTY_SPAN, EMPTY_SPAN)

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        self.acted.append((context, actions))
        self.seeds.append(seed)
        return Act(f"do {context.subgoal}", True, generation(20, 3, self._cut), EMPTY_SPAN)

    async def prompt(self, context: TurnContext, actions: Sequence[AdmissibleAction] = ()) -> tuple[int, ...]:
        raise AssertionError("the endpoint needs no prompts")

    @contextmanager
    def bound(self, name: str) -> Iterator[tuple[Pair, Pair]]:
        self.names.append(name)
        yield self, self

    def agent(self, telling: Telling | None = None, history: int = 2) -> Agent:
        return Agent(self.bound, telling or Telling(), history)
