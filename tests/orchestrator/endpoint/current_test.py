"""Calls while the models that answer them come and go."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import UnavailableError
from environments.telling import Telling
from orchestrator.endpoint.agent import Agent
from orchestrator.endpoint.conversation import Conversation
from orchestrator.endpoint.current import CurrentModels
from tests.orchestrator.endpoint.models import Pair
from trajectory.episode import Plan, TurnContext
from trajectory.fence import Fence

CONVERSATION = Conversation("win", (), "hall")


class Silent(Pair):
    """Never answers."""

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        self.planned.append(context)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def test_each_call_is_answered_by_the_models_of_its_time_and_refused_between_them() -> None:
    current = CurrentModels()
    agent = Agent(current.bound, Telling(), 2)

    async def action() -> str:
        return (await agent.answer("name", CONVERSATION, (), 0)).action

    async def work() -> None:
        for subgoal in ("a", "b"):
            with pytest.raises(UnavailableError, match="being started again; try again"):
                await action()
            with current.answering(Pair(subgoal).bound):
                assert await action() == f"do {subgoal}"

    asyncio.run(work())


def test_calls_that_are_left_when_the_models_go_are_cancelled_and_no_others() -> None:
    current = CurrentModels()
    agent = Agent(current.bound, Telling(), 2)

    async def work() -> None:
        silent = Silent()
        with current.answering(silent.bound):
            left = asyncio.create_task(agent.answer("left", CONVERSATION, (), 0))
            while not silent.planned:
                await asyncio.sleep(0)
        await asyncio.wait([left])
        assert left.cancelled()
        with current.answering(Pair("a").bound):
            done = asyncio.create_task(agent.answer("done", CONVERSATION, (), 0))
            await done
        assert not done.cancelled()

    asyncio.run(work())
